"""The progress and the result of a run, with their pictures.

Both are values; pictures and loss terms are computed when they are asked for.
"""

import contextlib
import dataclasses
import functools
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_style._checks import shown
from tf_style.config.style_config import StyleConfig
from tf_style.engine.coarse_to_fine import refined
from tf_style.images import writing
from tf_style.images.metadata import NO_METADATA
from tf_style.inputs.inputs import Inputs
from tf_style.inputs.masks import Regions
from tf_style.objective.loss import LossWeights, by_name
from tf_style.objective.objective import Objective
from tf_style.objective.targets import Targets
from tf_style.optimizers.solution import State, Status
from tf_style.provenance.description import describe
from tf_style.transfer.finishing import finished, with_untouched_parts


class View(NamedTuple):
    """What a `Progress` computes its picture and its loss terms from.

    Attributes:
        image: float32 `[1, h, w, 3]`, of the stage's size.
        targets: of the stage; None in another process.
        objective: measures the image against the targets; None in another process.
        inputs: the pictures of the run, of the result's size.
        weights: replace those of the objective's config; or None.
    """

    image: tf.Tensor
    targets: Targets | None
    objective: Objective | None
    inputs: Inputs
    weights: LossWeights | None = None


def not_running() -> State:
    """Stands for `Progress.state` when the run has gone on."""
    raise ValueError("`Progress.state` must be called while `on_progress` runs.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run has come; passed to `on_progress` between slices of steps.

    It can be pickled, with its picture and its loss terms, but without the network.

    Attributes:
        step: steps made, at all sizes.
        num_steps: steps planned, at all sizes; with a time budget at least the steps made.
        num_evaluations: evaluations of the loss and its gradient made.
        seconds: time since the optimization began.
        loss: the minimized value, at the stage's size. Like `terms` it is the loss of the picture
            before it takes the content's chroma or edges.
        stage_size: height and width of the stage, px; the coarse stages are smaller than the
            result.
        config: the options of the run.
        weights_sha256: hash of the network's weights.
        arithmetic: how the convolutions are computed: 'direct', 'winograd' or 'bfloat16'.
        phase: 'picture'; or 'texture' while a style picture takes on the fine style's texture.
            Then everything else describes that run, and `image` is the style picture.
        state: returns everything that the run needs to resume; call it while `on_progress` runs.
    """

    step: int
    num_steps: int
    num_evaluations: int
    seconds: float
    loss: float
    stage_size: tuple[int, int]
    config: StyleConfig
    weights_sha256: str
    arithmetic: str
    phase: str = "picture"
    view: View = dataclasses.field(repr=False)
    state: Callable[[], State] = dataclasses.field(default=dict, repr=False)

    @functools.cached_property
    def terms(self) -> Mapping[str, float]:
        """The loss terms at the stage's size; computing them costs a third of an evaluation.

        Weighted "total", "content", "style" and "variation", unweighted "content/LAYER" and
        "style/LAYER".
        """
        view = self.view
        if view.objective is None or view.targets is None:
            raise ValueError("`view` must hold an objective. Received: a view that was pickled.")
        return by_name(view.objective.terms(view.image, view.targets, weights=view.weights))

    def __getstate__(self) -> dict[str, Any]:
        """Returns what is pickled: the loss terms instead of what they are computed from."""
        view = self.view._replace(targets=None, objective=None, weights=None)
        return {**vars(self), "terms": self.terms, "view": view, "state": not_running}

    @functools.cached_property
    def image(self) -> np.ndarray:
        """The image: float32 `[1, H, W, 3]` of the result's size, RGB, nominally 0..1.

        The image of a smaller stage is enlarged, with the fine detail of the start. With `color`
        'content' or 'luminance' it has the content's chroma, paler where it would leave 0..1. With
        `photorealistic` it has the content's edges.
        """
        return finished(self._painted(), self.view.inputs, self.config)

    def _painted(self) -> np.ndarray:
        """Returns the image as the optimizer left it, of the result's size."""
        image, start = self.view.image, self.view.inputs.start
        if tuple(image.shape) == start.shape:
            return image.numpy()
        try:
            image = refined(image, tf.constant(start), tf.constant(start)).numpy()
        except tf.errors.ResourceExhaustedError as error:
            raise MemoryError("There is not enough memory to enlarge the picture.") from error
        if self.config.optimizer.gamut:
            image = np.clip(image, 0.0, 1.0)
        return with_untouched_parts(image, self.view.inputs.content, self.view.inputs.touched)

    @property
    def alpha(self) -> np.ndarray | None:
        """The content's alpha, float32 `[1, H, W, 1]`, 0..1, or None."""
        return self.view.inputs.alpha

    @property
    def regions(self) -> Regions | None:
        """The regions of the masks, or the regions that were found, or None."""
        return self.view.inputs.regions

    @property
    def pixels(self) -> np.ndarray:
        """The picture as it would be saved: uint8 `[H, W, 3]`, or `[H, W, 4]` with alpha."""
        return writing.to_pixels(self.image, self.alpha)

    def save(self, path: str | os.PathLike, *, bits: int = 8, metadata: bool = True) -> None:
        """Writes the picture as PNG, JPEG, WebP, AVIF or TIFF, with sRGB profile and metadata.

        An existing file is replaced; of a link, the file that it names. JPEG shows alpha on white.
        TIFFs of more than 89 million pixels are tiled; files named .btf are BigTIFF.

        Args:
            path: its suffix names the format.
            bits: of each channel: 8, or 16 in PNG and TIFF.
            metadata: whether to store how the picture was made, and the photograph's copyright,
                artist, title and capture date; never its place.

        Raises:
            ValueError: if the suffix is unknown, or its format does not have these `bits`.
            ImportError: if 16 bits, BigTIFF, or more than 89 million pixels as PNG or TIFF need the
                extra `big`, which is not installed.
            OSError: if the file cannot be written; no half-written file is left.
        """
        inputs = self.view.inputs
        about = None
        if metadata:
            about = describe(
                self.config, self.weights_sha256, inputs.origin, arithmetic=self.arithmetic
            )
            about["controls"] = list(inputs.controls)
        photograph = inputs.origin.photograph if inputs.origin else NO_METADATA
        writing.save_image(path, self.image, self.alpha, about, bits=bits, photograph=photograph)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StyleResult(Progress):
    """The result of `stylize`.

    Attributes:
        status: why the optimization ended.
    """

    status: Status


OnProgress = Callable[[Progress], bool | None]
"""Called between slices of steps; a true result ends the run early."""


def check_on_progress(on_progress: Any) -> None:
    """Raises TypeError unless it is None or a function that can be called in a run's thread."""
    rule = "`on_progress` must be"
    if on_progress is None:
        return
    if not callable(on_progress):
        raise TypeError(f"{rule} callable. Received: on_progress={shown(on_progress)}.")
    call = type(on_progress).__call__
    if call is contextlib.ContextDecorator.__call__:
        raise TypeError(
            f"{rule} what a `with` block gives. Received: its context manager. Use `with "
            "progress_callbacks(...) as on_progress`."
        )
    if inspect.iscoroutinefunction(on_progress) or inspect.iscoroutinefunction(call):
        raise TypeError(
            f"{rule} a plain function, as nothing awaits it. Received: an `async def` function."
        )


def every(num_steps: int, on_progress: OnProgress) -> OnProgress:
    """Returns a callback that calls another one once at every multiple of so many steps."""
    last = 0  # A step that fails ends a slice without making it.

    def on_slice(progress: Progress) -> bool | None:
        nonlocal last
        before, last = last, progress.step
        is_due = progress.step not in (0, before) and progress.step % num_steps == 0
        return on_progress(progress) if is_due else None

    return on_slice
