"""The training of a style network: from paintings and photographs to a network, step by step.

`Training.steps` is an iterator over the steps. Whoever takes the next one goes on; whoever stops
has all that the training can be resumed from: a `TrainingState` and what was `Reached`.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.config.training import TrainingConfig
from tf_style.feedforward.architecture import Architecture, initial_parameters, parameter_shapes
from tf_style.feedforward.network_file import StyleNetwork
from tf_style.feedforward.predictor import predicted_styles
from tf_style.objective.objective import Objective
from tf_style.training.choices import REACH, STYLE_SIDE, Reached, choices, share_of
from tf_style.training.datasets import crops, style_parts
from tf_style.training.discriminator import initial_discriminator
from tf_style.training.photographs import Photographs
from tf_style.training.state import TrainingState, initial_state
from tf_style.training.step import STYLES, Batch, Painting, StepLosses, TrainingStep, paintings

_NO_STYLE = tf.zeros([0, STYLE_SIDE, STYLE_SIDE, 3])


class DivergedError(FloatingPointError):
    """The losses of a training became NaN or infinite."""


class TrainingProgress(NamedTuple):
    """What a training reports after each step.

    Attributes:
        reached: how far it has come.
        share: of the training that has passed, 0..1.
        losses: of the step, as numbers.
        side: of the parts of photographs, px.
        state: to go on from.
    """

    reached: Reached
    share: float
    losses: StepLosses
    side: int
    state: TrainingState


_NOTHING = Reached()
_ANY_BATCH = Batch(  # One graph for all sizes.
    tf.TensorSpec([None, None, None, 3]),
    tf.TensorSpec([None], tf.int32),
    tf.TensorSpec([None, None, None, 3]),
    tf.TensorSpec([None, None, None, 3]),
    tf.TensorSpec([2], tf.int32),
    tf.TensorSpec([None, None, None, 3]),
    tf.TensorSpec([]),
)


class Training:
    """The training of one network."""

    def __init__(
        self,
        objective: Objective,
        config: TrainingConfig,
        *,
        styles: Mapping[str, np.ndarray],
        photographs: Photographs,
        architecture: Architecture | None = None,
        base: StyleNetwork | None = None,
        only_styles: bool = False,
    ) -> None:
        """Computes what the paintings ask for.

        Args:
            objective: from `assembly.load_objective` for the config.
            config: everything but the pictures.
            styles: paintings by name, float32 `[1, h, w, 3]`, RGB 0..1.
            photographs: what is painted.
            architecture: of a new network; the default if omitted, or that of `base`.
            base: the network to start from; random numbers if omitted.
            only_styles: leave all numbers of the network as they are, and train only the scales and
                shifts of the new styles. The network keeps the styles that it has.
        """
        self.config = config
        self.base = base
        self.only_styles = only_styles
        self.architecture = base.architecture if base else architecture or Architecture()
        self.step = TrainingStep(
            self.architecture, objective, config, trained=(STYLES,) if only_styles else None
        )
        self._styles = dict(styles)
        self._pictures = list(styles.values())
        self._photographs = photographs
        self._graph = tf.function(self.step, autograph=False)
        contrast = config.style_contrast
        found = [paintings(objective, tf.constant(style), contrast) for style in styles.values()]
        self.paintings: Painting = tf.nest.map_structure(lambda *rows: tf.concat(rows, 0), *found)

    def initial(self) -> TrainingState:
        """Returns the state before the first step."""
        if self.base is None:
            parameters = initial_parameters(self.architecture, self.config.seed)
        else:
            parameters = dict(self.base.parameters)
        parameters[STYLES] = self._initial_styles()
        if self.config.adversarial_weight:
            parameters |= initial_discriminator(len(self._styles), self.config.seed)
        return initial_state(parameters)

    def steps(
        self, state: TrainingState, reached: Reached = _NOTHING
    ) -> Iterator[TrainingProgress]:
        """Makes a step each time it is asked for the next; ends when time or steps are used.

        Args:
            state: from `initial`, or of an interrupted training.
            reached: how far that had come.

        Raises:
            DivergedError: if the losses are no numbers any more.
        """
        batches: Iterator[tuple[tf.Tensor, tf.Tensor]] = iter(())
        side, clock = 0, time.perf_counter()
        is_first = True
        graph = self._graph.get_concrete_function(state, _ANY_BATCH, self.paintings)
        while (share := self.share(reached)) < 1.0:
            if side != self.config.crop_side(share):
                side = self.config.crop_side(share)
                batches = self._batches(reached.step, side)
            photographs, style = next(batches)
            batch = self._batch(reached.step, share, photographs, style)
            state, losses = graph(state, batch, self.paintings)
            numbers = StepLosses(*(float(loss) for loss in losses))
            if not np.isfinite([numbers.total, numbers.slope]).all():
                raise DivergedError(
                    f"The training's loss is {numbers.total} after step {reached.step}: {numbers}. "
                    "Use a smaller `learning_rate`."
                )
            now = time.perf_counter()
            seconds = 0.0 if is_first else now - clock  # The first step traces the graph.
            clock, is_first = now, False
            reached = Reached(reached.step + 1, reached.seconds + seconds)
            yield TrainingProgress(reached, self.share(reached), numbers, side, state)

    def share(self, reached: Reached) -> float:
        """Returns how much of the training has passed, 0..1."""
        return share_of(self.config, reached)

    def network(self, state: TrainingState, about: Mapping[str, Any]) -> StyleNetwork:
        """Returns the network of a state: its running averages.

        Args:
            state: of this training.
            about: how it was trained, in plain JSON types.
        """
        return network_of(
            state.averages,
            self.paintings.statistics,
            names=list(self._styles),
            architecture=self.architecture,
            about=about,
            base=self.base if self.only_styles else None,
        )

    def _initial_styles(self) -> np.ndarray:
        """Returns what is added to the predicted styles at first, float32 `[styles, style_size]`.

        A style whose name the base knows begins as it is there, others as they are predicted.
        """
        added = np.zeros([len(self._styles), self.architecture.style_size], np.float32)
        if self.base is not None:
            predicted = predicted_styles(self.base.parameters, self.paintings.statistics).numpy()
            for number, name in enumerate(self._styles):
                if name in self.base.styles:
                    added[number] = self.base.styles[name] - predicted[number]
        return added

    def _batches(self, first: int, side: int) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Returns photographs and pictures of other styles for all steps from `first` on."""
        config = self.config
        parts = crops(
            self._photographs,
            first=first,
            batch=config.batch,
            side=side + 2 * REACH,
            seed=config.seed,
        )
        if not config.any_share:
            return ((photographs, _NO_STYLE) for photographs in parts)
        others = style_parts(
            self._photographs,
            self._pictures,
            first=first,
            side=STYLE_SIDE,
            seed=config.seed,
        )
        return iter(tf.data.Dataset.zip(parts, others))

    def _batch(self, step: int, share: float, photographs: tf.Tensor, style: tf.Tensor) -> Batch:
        """Returns the batch of a step."""
        side = photographs.shape[1] - 2 * REACH
        chosen = choices(
            self.config,
            self._pictures,
            step=step,
            share=share,
            side=side,
        )
        return Batch(
            photographs,
            tf.constant(chosen.named),
            style,
            tf.constant(chosen.parts),
            tf.constant(chosen.move),
            tf.random.stateless_normal([self.config.batch, side, side, 3], chosen.seed),
            tf.constant(chosen.rate),
        )


def network_of(
    averages: Mapping[str, tf.Tensor],
    statistics: tf.Tensor,
    *,
    names: Sequence[str],
    architecture: Architecture,
    about: Mapping[str, Any],
    base: StyleNetwork | None = None,
) -> StyleNetwork:
    """Returns the network that a training has reached.

    Args:
        averages: `TrainingState.averages`.
        statistics: `Painting.statistics` of the named styles.
        names: of these styles.
        architecture: of the network.
        about: how it was trained, in plain JSON types.
        base: a network to which the styles are added, unless all its numbers were trained.
    """
    found = np.asarray(predicted_styles(averages, statistics) + averages[STYLES])
    styles = dict(zip(names, found, strict=True))
    if base is not None:
        return base._replace(styles={**base.styles, **styles}, about=dict(about))
    parameters = {name: np.asarray(averages[name]) for name in parameter_shapes(architecture)}
    return StyleNetwork(architecture, parameters, styles, dict(about))
