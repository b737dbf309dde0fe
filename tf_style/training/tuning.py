"""Tuning of predicted styles: where the predictor is weak, a minute of training takes over.

Takes a network, paintings and the one photograph that is to be painted; gives styles.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.config.training import TrainingConfig
from tf_style.feedforward.network_file import StyleNetwork
from tf_style.feedforward.preparation import training_of
from tf_style.objective.objective import Objective
from tf_style.training.photographs import Photographs
from tf_style.training.training import Training, TrainingProgress

_STYLE_WEIGHT = 7.0  # One photograph alone follows the style further than many do with 8.
_SIDE = 192  # Px, of the parts that are painted.
_PIECE = 1.4  # Pieces of the photograph are this many times as large: a part has about its scale.


def tuning_config(network: StyleNetwork, seconds: float, *, steps: int = 0) -> TrainingConfig:
    """Returns the options of a tuning that takes about so many seconds, or so many steps.

    Paintings are seen as in the network's own training. Scales and shifts alone can take long
    steps, and need few photographs in each.

    Raises:
        ValueError: if the network does not tell how it was trained.
    """
    return training_of(network).replace(
        minutes=seconds / 60.0,
        steps=steps,
        batch=2,
        crops=f"{_SIDE}",
        learning_rate=0.0067,
        stability_weight=0.0,
        style_weight=_STYLE_WEIGHT,
    )


class Tuned(NamedTuple):
    """What a tuning has reached.

    Attributes:
        training: of the styles.
        progress: of the last step.
    """

    training: Training
    progress: TrainingProgress

    @property
    def styles(self) -> dict[str, np.ndarray]:
        """The styles, float32 `[style_size]` by the painting's name."""
        return dict(self.training.network(self.progress.state, {}).styles)


def tuned(
    objective: Objective,
    config: TrainingConfig,
    network: StyleNetwork,
    paintings: Mapping[str, np.ndarray],
    photograph: np.ndarray,
) -> Iterator[Tuned]:
    """Yields, after each step, what the tuning of paintings' styles on a photograph has reached.

    It begins with what the network's predictor says; only scales and shifts change.

    Args:
        objective: from `assembly.load_objective` for the config.
        config: from `tuning_config`.
        network: what paints.
        paintings: float32 `[1, h, w, 3]`, RGB 0..1, by name, from `preparation.read_painting`.
        photograph: float32 `[1, H, W, 3]`, RGB 0..1.

    Raises:
        DivergedError: if the losses are no numbers any more.
        MemoryError: if there is not enough memory for it.
    """
    photographs = Photographs.of(_pieces(photograph))
    try:
        training = Training(
            objective,
            config,
            styles=paintings,
            photographs=photographs,
            base=network._replace(styles={}),
            only_styles=True,
        )
        for progress in training.steps(training.initial()):
            yield Tuned(training, progress)
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError(
            "There is not enough memory for the tuning. Leave `tune_seconds` out."
        ) from error


def _pieces(photograph: np.ndarray) -> list[np.ndarray]:
    """Returns the photograph cut into pieces, uint8 `[h, w, 3]`, or whole if it is small."""
    pixels = np.rint(255.0 * np.clip(photograph[0], 0.0, 1.0)).astype(np.uint8)
    counts = [max(1, round(side / (_PIECE * _SIDE))) for side in pixels.shape[:2]]
    rows = np.array_split(pixels, counts[0], 0)
    return [piece for row in rows for piece in np.array_split(row, counts[1], 1)]
