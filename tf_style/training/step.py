"""One step of a training, as a pure function: a state and a batch to the next state and losses.

The loss of painted pictures and its gradient are those of the optimizer (`objective.Objective`);
the chain rule carries the gradient on into the network. So every style loss, layer and weight of
the config can be trained with.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from tf_style.config.training import TrainingConfig
from tf_style.feedforward.architecture import TRAINING_MARGIN, Architecture
from tf_style.feedforward.painting import paint
from tf_style.feedforward.predictor import painting_statistics, predicted_styles
from tf_style.objective.objective import Objective
from tf_style.objective.targets import Targets, style_targets
from tf_style.training.discriminator import (
    PREFIX,
    adversarial_loss,
    discriminator_loss,
    judged,
)
from tf_style.training.stability import stability_loss, still_and_moved
from tf_style.training.state import TrainingState, after_step, shortened

STYLES = "styles"
"""The name of the named styles among the parameters, float32 `[styles, style_size]`: each is what
is added to the style that the predictor gives for its painting."""


# Found by trials (docs/notes/feedforward.md). Scales and shifts of a style have far to go.
_KERNELS_FASTER, _STYLES_FASTER, _ONLY_STYLES_FASTER = 2.0, 5.0, 15.0
_PREDICTOR_FASTER = {"predictor1": 0.01, "predictor2": 0.1}
"""Units of the predictor add up hundreds of numbers. By whole steps of Adam all of them fell below
0, and every painting got the same style."""


class Painting(NamedTuple):
    """What paintings ask of pictures, for `n` of them.

    Attributes:
        statistics: float32 `[n, statistics]`, for the predictor.
        targets: style statistics by layer, float32 `[n, ...]`.
        scales: of total variation, float32 `[n]`, by name.
    """

    statistics: tf.Tensor
    targets: Mapping[str, Any]
    scales: Mapping[str, tf.Tensor]


class Batch(NamedTuple):
    """What a step looks at.

    Attributes:
        photographs: float32 `[b, h, w, 3]`, RGB 0..1.
        named: int32 `[m]`, m at most b: the named styles of the first m photographs.
        style: float32 `[1, h', w', 3]`, RGB 0..1: the picture in whose style the others are
            painted; `[0, h', w', 3]` if m is b.
        parts: float32 `[m, h, w, 3]`, RGB 0..1: parts of the named styles' paintings, for the
            discriminator; `[0, h, w, 3]` without one.
        move: int32 `[2]`, pixels by which the photographs are moved.
        noise: float32, of the painted pictures' shape: see `stability.still_and_moved`.
        rate: float32 scalar, the learning rate.
    """

    photographs: tf.Tensor
    named: tf.Tensor
    style: tf.Tensor
    parts: tf.Tensor
    move: tf.Tensor
    noise: tf.Tensor
    rate: tf.Tensor


class StepLosses(NamedTuple):
    """Losses of a step, float32 scalars: means over the batch.

    Attributes:
        total: what is minimized.
        content: weighted mean over the layers; with relative losses 1 if nothing of the photograph
            is left.
        style: unweighted, mean over the layers; with relative losses 1 for a picture without any.
        stability: unweighted.
        adversarial: unweighted, of the network; 0 without a discriminator.
        discriminator: of the discriminator: 2 if it is no better than chance, 0 if it is sure.
        slope: length of the network's gradient, before it is shortened.
    """

    total: tf.Tensor
    content: tf.Tensor
    style: tf.Tensor
    stability: tf.Tensor
    adversarial: tf.Tensor
    discriminator: tf.Tensor
    slope: tf.Tensor


def paintings(objective: Objective, pictures: tf.Tensor, contrast: float) -> Painting:
    """Returns what pictures ask of others in their style.

    Args:
        objective: of the training.
        pictures: float32 `[n, h, w, 3]`, RGB 0..1.
        contrast: see `contrasted`; the predictor sees the pictures as they are.
    """
    stronger = contrasted(pictures, contrast)
    features = objective.features(stronger)
    seen = features if contrast == 1.0 else objective.features(pictures)
    return Painting(
        painting_statistics(seen),
        style_targets(objective.config, features),
        objective.variation_scale(stronger),
    )


def contrasted(pictures: tf.Tensor, contrast: float) -> tf.Tensor:
    """Returns pictures whose colors are so many times as far from their mean, within 0..1.

    Args:
        pictures: float32 `[n, h, w, 3]`, RGB 0..1.
        contrast: 1 leaves them as they are.
    """
    mean = tf.reduce_mean(pictures, [1, 2], keepdims=True)
    return tf.clip_by_value(mean + contrast * (pictures - mean), 0.0, 1.0)


class TrainingStep:
    """A step of the training of one network; `__call__` is pure."""

    def __init__(
        self,
        architecture: Architecture,
        objective: Objective,
        config: TrainingConfig,
        *,
        trained: tuple[str, ...] | None = None,
    ) -> None:
        """Makes the step.

        Args:
            architecture: of the network.
            objective: of the config's losses; its extractor must give `PAINTING_LAYERS` too.
            config: weights, and the share of photographs without a named style.
            trained: names of the network's parameters that are trained; all if omitted.
        """
        self.architecture = architecture
        # Networks that were trained with raised contrasts painted fainter skies.
        self._plain = dataclasses.replace(architecture, local_contrast=0.0)
        self.objective = objective
        self.config = config
        self.trained = trained
        self.dtype = dtype_of(objective)

    def __call__(
        self, state: TrainingState, batch: Batch, named: Painting
    ) -> tuple[TrainingState, StepLosses]:
        """Returns the state after a step, and the losses before it.

        Args:
            state: of the parameters of the network, and of `STYLES`.
            batch: what the step looks at.
            named: the paintings of the named styles.
        """
        wanted = tf.nest.map_structure(lambda table: tf.gather(table, batch.named), named)
        count, num_named = tf.shape(batch.photographs)[0], tf.shape(batch.named)[0]
        if self.config.any_share > 0.0:
            other = paintings(self.objective, batch.style, self.config.style_contrast)
            wanted = tf.nest.map_structure(
                lambda of_named, of_other: tf.concat(
                    [of_named, tf.repeat(of_other, count - num_named, 0)], 0
                ),
                wanted,
                other,
            )
        still, moved = still_and_moved(batch.photographs, batch.move, batch.noise)
        windows = self.config.windows
        content = self.objective.content_targets(in_windows(still, windows))
        asked = tf.nest.map_structure(
            lambda each: tf.repeat(each, windows**2, 0), (wanted.targets, dict(wanted.scales))
        )
        scales = dict(self.objective.scales(content, asked[1]))
        # By its own scale, a window of flat sky would resist every stroke.
        scales |= {name: _alike(scales[name], windows**2) for name in content if name in scales}
        targets = Targets(content, asked[0], scales=scales)
        weights = self.config.stability_weight, self.config.adversarial_weight
        judge, network = _divided(state.parameters)
        trained = {name: network[name] for name in self.trained or network}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained)
            styles = predicted_styles(state.parameters, wanted.statistics)
            own = tf.gather(state.parameters[STYLES], batch.named)
            styles += tf.pad(own, [[0, count - num_named], [0, 0]])
            stability = adversarial = tf.zeros([])
            if weights[0]:
                both = self._painted(state, tf.concat([still, moved], 0), tf.tile(styles, [2, 1]))
                pictures, others = tf.split(both, 2)
                stability = stability_loss(pictures, others, batch.move)
            else:
                pictures = self._painted(state, still, styles)
            if judge:
                adversarial = adversarial_loss(judged(judge, pictures[:num_named], batch.named))
        terms, by_windows = self.objective.terms_and_gradient(
            in_windows(pictures, windows), targets, per_sample=True
        )
        by_pictures = from_windows(by_windows, windows) / tf.cast(count * windows**2, tf.float32)
        gradients = tape.gradient(
            [pictures, stability, adversarial], trained, output_gradients=[by_pictures, *weights]
        )
        gradients, slope = shortened(gradients)
        judging = tf.zeros([])
        if judge:
            judging, by_judge = _judging(judge, batch, pictures[:num_named])
            gradients |= shortened(by_judge)[0]
        means = {name: tf.reduce_mean(loss) for name, loss in terms.layers.items()}
        asked = dict(self.objective.config.content_layers)
        contents = [weight * means[f"content/{layer}"] for layer, weight in asked.items()]
        found = [mean for name, mean in means.items() if name.startswith("style/")]
        losses = StepLosses(
            tf.reduce_mean(terms.total) + weights[0] * stability + weights[1] * adversarial,
            tf.add_n(contents) / max(sum(asked.values()), 1e-30),
            tf.add_n(found) / len(found),
            stability,
            adversarial,
            judging,
            slope,
        )
        is_alone = self.trained == (STYLES,)
        kernels = self.architecture.kernels
        faster = {**_PREDICTOR_FASTER, **dict.fromkeys(kernels, _KERNELS_FASTER)}
        faster[STYLES] = _ONLY_STYLES_FASTER if is_alone else _STYLES_FASTER
        after = after_step(state, gradients, batch.rate, kernels=kernels, faster=faster)
        return after, losses

    def _painted(
        self, state: TrainingState, photographs: tf.Tensor, styles: tf.Tensor
    ) -> tf.Tensor:
        return paint(
            self._plain,
            state.parameters,
            photographs,
            styles,
            margin=TRAINING_MARGIN,
            dtype=self.dtype,
        )


def in_windows(pictures: tf.Tensor, windows: int) -> tf.Tensor:
    """Returns the windows of pictures, those of each picture in turn.

    Args:
        pictures: `[b, h, w, c]`; sides are multiples of `windows`.
        windows: along each side.

    Returns:
        `[b windows^2, h / windows, w / windows, c]`.
    """
    _, height, width, channels = tf.unstack(tf.shape(pictures))
    sides = [height // windows, width // windows]
    rows = tf.reshape(pictures, [-1, windows, sides[0], windows, sides[1] * channels])
    return tf.reshape(tf.transpose(rows, [0, 1, 3, 2, 4]), [-1, *sides, pictures.shape[-1]])


def from_windows(parts: tf.Tensor, windows: int) -> tf.Tensor:
    """Returns the pictures of windows: the inverse of `in_windows`."""
    _, height, width, channels = tf.unstack(tf.shape(parts))
    rows = tf.reshape(parts, [-1, windows, windows, height, width * channels])
    sides = [windows * height, windows * width]
    return tf.reshape(tf.transpose(rows, [0, 1, 3, 2, 4]), [-1, *sides, parts.shape[-1]])


def _alike(values: tf.Tensor, count: int) -> tf.Tensor:
    """Returns values, `[n count]`, with the mean of each `count` of them in place of each."""
    return tf.repeat(tf.reduce_mean(tf.reshape(values, [-1, count]), 1), count)


def _divided(
    parameters: Mapping[str, tf.Tensor],
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Returns the parameters of the discriminator, none without one, and those of the network."""
    judge = {name: value for name, value in parameters.items() if name.startswith(PREFIX)}
    return judge, {name: value for name, value in parameters.items() if name not in judge}


def _judging(
    judge: dict[str, tf.Tensor], batch: Batch, pictures: tf.Tensor
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns the discriminator's loss and its gradient."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(judge)
        loss = discriminator_loss(
            judged(judge, batch.parts, batch.named), judged(judge, pictures, batch.named)
        )
    return loss, tape.gradient(loss, judge)


def dtype_of(objective: Objective) -> tf.DType:
    """Returns the type of the features of the extractor: the network is computed in it, too."""
    return tf.as_dtype(next(iter(objective.extractor.output.values())).dtype)
