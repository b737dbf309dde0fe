"""The relative distances of painted pictures; a module for the other tools, not a program.

Content is the loss of conv4_2, 1 for a picture of one color; style is the mean over the paper's
five layers of |G - A|^2 / |A|^2, with Gram matrices G and A. They do not depend on what a network
was trained with. Pictures are measured as 8-bit files hold them.
"""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tf_style.config.training import TrainingConfig
from tf_style.images.reading import over_white, read_picture
from tf_style.images.resizing import fit, resize

STYLE_EDGE = TrainingConfig.style_edge

_LOSSES: dict[str, Any] = {
    "content_layers": "conv4_2:1",
    "content_power": 2.0,
    "style_layers": "conv1_1:1,conv2_1:0.4,conv3_1:0.2,conv4_1:0.2,conv5_1:0.2",
    "style_loss": "gram",
    "style_weight": 4.5,
}  # Those of the first trainings, so that distances stay comparable.


class Distance(NamedTuple):
    """How far a picture is from the photograph and from the painting."""

    content: float
    style: float


def picture_of(path: Path, edge: int) -> np.ndarray:
    """Returns a picture, float32 `[1, h, w, 3]`, RGB 0..1, with its longer edge at most `edge`."""
    image = over_white(read_picture(path, argument="picture", long_edge=edge))
    size = image.shape[1:3]
    return resize(image, fit(size, edge)) if max(size) > edge else image


class ByLayer(NamedTuple):
    """Distances in each layer, by its name."""

    content: dict[str, float]
    style: dict[str, float]


class Measure:
    """Measures pictures."""

    def __init__(self) -> None:
        from tf_style.training.assembly import load_objective

        self.config = TrainingConfig(precision="float32", **_LOSSES)
        self.objective = load_objective(self.config)

    def targets(self, photograph: np.ndarray, painting: np.ndarray) -> Any:
        """Returns what pictures are compared with; images are float32 `[1, h, w, 3]`."""
        return self.objective.targets(photograph, painting)

    def distance(self, picture: np.ndarray, targets: Any) -> Distance:
        """Returns the distance of a picture, float `[1, h, w, 3]`, RGB 0..1."""
        return distance_of(self.by_layer(picture, targets))

    def by_layer(self, picture: np.ndarray, targets: Any) -> ByLayer:
        """Returns the distances of a picture, float `[1, h, w, 3]`, RGB 0..1, in each layer."""
        rounded = np.float32(np.rint(255.0 * np.clip(picture, 0.0, 1.0)) / 255.0)
        layers = self.objective.terms(rounded, targets).layers.items()
        content, style = (
            {name.removeprefix(part): float(loss) for name, loss in layers if name.startswith(part)}
            for part in ("content/", "style/")
        )
        return ByLayer(content, style)


class Painter:
    """Paints with a network, in float32."""

    def __init__(self, network: Any) -> None:
        import tensorflow as tf

        from tf_style.feedforward.painting import paint

        self.parameters = {name: tf.constant(each) for name, each in network.parameters.items()}

        @tf.function(autograph=False, reduce_retracing=True)
        def graph(photographs: Any, styles: Any) -> Any:
            return paint(network.architecture, self.parameters, photographs, styles)

        self._graph = graph

    def __call__(self, photograph: np.ndarray, style: np.ndarray) -> np.ndarray:
        """Returns a photograph, float32 `[1, h, w, 3]`, painted in a style, `[style_size]`."""
        import tensorflow as tf

        return self._graph(tf.constant(photograph), tf.constant(style)[tf.newaxis]).numpy()


def distance_of(layers: ByLayer) -> Distance:
    """Returns the distance of which these are the parts."""
    return Distance(sum(layers.content.values()), float(np.mean(list(layers.style.values()))))


def mean_of(distances: list[Distance]) -> Distance:
    """Returns the mean of distances."""
    return Distance(*np.mean(distances, axis=0).tolist())


def losses_measured() -> dict[str, Any]:
    """Returns options of losses, for an optimization of what is measured."""
    return dataclasses.asdict(TrainingConfig(**_LOSSES).loss)
