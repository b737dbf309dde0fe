"""The training of a style network: from paintings and photographs to a network, step by step.

`Training.steps` is an iterator over the steps. Whoever takes the next one goes on; whoever stops
has all that the training can be resumed from: a `TrainingState` and what was `Reached`.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_style.config.training import TrainingConfig
from tf_style.feedforward.architecture import Architecture, initial_parameters, parameter_shapes
from tf_style.feedforward.network_file import StyleNetwork
from tf_style.feedforward.predictor import predicted_styles
from tf_style.objective.objective import Objective
from tf_style.training import photographs as reading
from tf_style.training.discriminator import initial_discriminator
from tf_style.training.photographs import Photographs, own_part
from tf_style.training.stability import REACH
from tf_style.training.state import TrainingState, initial_state
from tf_style.training.step import STYLES, Batch, Painting, StepLosses, TrainingStep, paintings

_STYLE_SIDE = 224  # Px, of the parts of other pictures in whose style is painted.
_WARM_UP = 20  # Steps in which the learning rate rises.
_FALLS_FROM, _LEAST = 0.65, 0.02  # Share of the training, and of the learning rate.
_STYLES_FASTER = 15.0  # Scales and shifts alone have to move farther than numbers of kernels.
_CHOICES, _TURNS = 3, 4  # Streams of random numbers, beside those of `photographs`.
_NO_STYLE = tf.zeros([0, _STYLE_SIDE, _STYLE_SIDE, 3])


class DivergedError(FloatingPointError):
    """The losses of a training became NaN or infinite."""


class Reached(NamedTuple):
    """How far a training has come.

    Attributes:
        step: number of steps made.
        seconds: time spent in steps, without pauses between runs.
    """

    step: int = 0
    seconds: float = 0.0


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
    tf.TensorSpec([2], tf.int32),
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
        found = [paintings(objective, tf.constant(style)) for style in styles.values()]
        self.paintings: Painting = tf.nest.map_structure(lambda *rows: tf.concat(rows, 0), *found)

    def initial(self) -> TrainingState:
        """Returns the state before the first step."""
        if self.base is None:
            parameters = initial_parameters(self.architecture, self.config.seed)
        else:
            parameters = dict(self.base.parameters)
        size = len(self._styles), self.architecture.style_size
        parameters[STYLES] = np.zeros(size, np.float32)
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
            if not np.isfinite(numbers.total):
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
        if self.config.steps:
            return min(1.0, reached.step / self.config.steps)
        return min(1.0, reached.seconds / (60.0 * self.config.minutes))

    def network(self, state: TrainingState, about: Mapping[str, Any]) -> StyleNetwork:
        """Returns the network of a state: its running averages.

        Args:
            state: of this training.
            about: how it was trained, in plain JSON types.
        """
        parameters = {
            name: state.averages[name].numpy() for name in parameter_shapes(self.architecture)
        }
        own = state.averages[STYLES].numpy()
        predicted = predicted_styles(state.averages, self.paintings.statistics).numpy()
        styles = dict(zip(self._styles, predicted + own, strict=True))
        if self.only_styles and self.base is not None:
            return self.base._replace(styles={**self.base.styles, **styles}, about=dict(about))
        return StyleNetwork(self.architecture, parameters, styles, dict(about))

    def _batches(self, first: int, side: int) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Returns photographs and pictures of other styles for all steps from `first` on."""
        config = self.config
        parts = reading.crops(
            self._photographs,
            first=first,
            batch=config.batch,
            side=side + 2 * REACH,
            seed=config.seed,
        )
        if not config.any_share:
            return ((photographs, _NO_STYLE) for photographs in parts)
        others = reading.style_parts(
            self._photographs,
            self._pictures,
            first=first,
            side=_STYLE_SIDE,
            seed=config.seed,
        )
        return iter(tf.data.Dataset.zip(parts, others))

    def _batch(self, step: int, share: float, photographs: tf.Tensor, style: tf.Tensor) -> Batch:
        """Returns the batch of a step; every choice follows from the seed and the step."""
        config = self.config
        rng = np.random.default_rng([config.seed, _CHOICES, step])
        num_named = config.num_named
        first = step * num_named
        # In turn, in an order that changes each time all have been painted.
        named = [self._turn(number) for number in range(first, first + num_named)]
        parts = np.zeros([0, *photographs.shape[1:]], np.float32)
        if config.adversarial_weight:
            side = photographs.shape[1] - 2 * REACH
            parts = np.stack([own_part(self._pictures[style], side, rng) for style in named])
        rising = min(1.0, (step + 1) / _WARM_UP)
        falling = max(_LEAST, min(1.0, (1.0 - share) / (1.0 - _FALLS_FROM)))
        rate = config.learning_rate * (_STYLES_FASTER if self.only_styles else 1.0)
        return Batch(
            photographs,
            tf.constant(named, tf.int32, [num_named]),
            style,
            tf.constant(parts),
            tf.constant(rng.integers(-REACH, REACH + 1, 2), tf.int32),
            tf.constant(rng.integers(0, 2**31, 2), tf.int32),
            tf.constant(rate * rising * falling, tf.float32),
        )

    def _turn(self, number: int) -> int:
        """Returns the style of the photograph with this number among those with a named style."""
        count = len(self._styles)
        turn, place = divmod(number, count)
        rng = np.random.default_rng([self.config.seed, _TURNS, turn])
        return int(rng.permutation(count)[place])
