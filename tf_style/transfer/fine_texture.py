"""The fine texture of one style, put onto the other styles before the picture is painted."""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from tf_style.config.control import ControlConfig
from tf_style.config.style_config import StyleConfig
from tf_style.inputs.inputs import Inputs
from tf_style.optimizers.cancellation import Cancellation
from tf_style.optimizers.solution import State, restored
from tf_style.transfer.optimization import optimize
from tf_style.transfer.progress import OnProgress, Progress

_FINE = "block1_conv1", "block2_conv1"
_WEIGHT = 2000.0  # Of the only loss, so it does not matter; another one would round otherwise.


class Textured(NamedTuple):
    """Inputs whose styles have taken on the fine texture.

    Attributes:
        inputs: with the new styles.
        is_cancelled: whether `on_progress` or the cancellation asked to end.
        textures: the new styles by the names under which a checkpoint saves them.
    """

    inputs: Inputs
    is_cancelled: bool = False
    textures: Mapping[str, np.ndarray] = MappingProxyType({})


def with_fine_texture(
    inputs: Inputs,
    config: StyleConfig,
    *,
    pause_every: int | None = None,
    on_progress: OnProgress | None = None,
    cancellation: Cancellation | None = None,
    notify: Callable[[str], None] | None = None,
    resume_from: State | None = None,
) -> Textured:
    """Returns the inputs with the fine style's texture on their styles.

    Each style starts an optimization of its own size, with the style loss of conv1_1 and conv2_1
    alone. These layers do not see coarse structure, so it stays.

    Args:
        inputs: without a `fine_style` they are returned unchanged.
        config: the optimizer and its steps. All styles together get a quarter of a time budget.
        pause_every: slices also end at every multiple of this many steps.
        on_progress: called with the `Progress` of each style; a true result ends it and skips
            the styles that are left.
        cancellation: does the same at the next step.
        notify: called with a line of text.
        resume_from: what `Progress.state` gave in a run of the same inputs and config.

    References:
        Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section 6.
    """
    if inputs.fine_style is None:
        return Textured(inputs)
    texture = texture_config(config, len(inputs.styles))
    phase = _TexturePhase(on_progress, cancellation)
    styles = list(inputs.styles)
    for index, style in enumerate(styles):
        name = f"textured_{index}"
        if resume_from is not None and name in resume_from:
            kind = style.shape, style.dtype
            image = restored(resume_from, {name: kind})[name].numpy()
        elif phase.is_cancelled:
            break
        else:
            if notify is not None:
                notify("Putting the fine style's texture onto a style picture")
            result = optimize(
                _alone(style, inputs.fine_style),
                texture,
                pause_every=pause_every,
                on_progress=phase.on_progress,
                cancellation=cancellation,
                notify=notify,
                resume_from=resume_from,
                also_saved=dict(phase.textures),
            )
            image = np.clip(result.image, 0.0, 1.0)
            resume_from = None
        styles[index] = phase.textures[name] = image
    textured = inputs._replace(styles=tuple(styles), fine_style=None)
    return Textured(textured, phase.is_cancelled, phase.textures)


class _TexturePhase:
    """The progress of all styles together.

    Attributes:
        textures: finished styles, by name.
    """

    def __init__(self, on_progress: OnProgress | None, cancellation: Cancellation | None) -> None:
        self._on_progress = on_progress
        self._cancellation = cancellation
        self._is_ended = False
        self.textures: dict[str, np.ndarray] = {}

    @property
    def is_cancelled(self) -> bool:
        """Whether to end."""
        return self._is_ended or bool(self._cancellation and self._cancellation.is_cancelled)

    def on_progress(self, progress: Progress) -> bool:
        """Passes on the progress of a style, marked with its phase."""
        if self._on_progress is not None:
            progress = dataclasses.replace(progress, phase="texture")
            self._is_ended = bool(self._on_progress(progress))
        return self.is_cancelled


def _alone(style: np.ndarray, fine_style: np.ndarray) -> Inputs:
    """Returns the inputs that put a texture onto one style."""
    return Inputs(
        content=style,
        styles=(fine_style,),
        start=style,
        alpha=None,
        blend=np.ones(1, np.float32),
    )


def texture_config(config: StyleConfig, num_styles: int) -> StyleConfig:
    """Returns the config that puts a texture onto one style: the style loss of two layers alone.

    Args:
        config: of the run.
        num_styles: number of styles, which share a quarter of the time budget.
    """
    names = [f"{layer}:{config.loss.style_losses.get(layer, 'gram')}" for layer in _FINE]
    return config.replace(
        style_layers=",".join(_FINE),
        style_loss=",".join(names),
        style_weight=_WEIGHT,
        style_strength=1.0,
        # A layer that is computed anyway, so that the network ends with the style's layers.
        content_layers=_FINE[0],
        content_reduction="mean",
        content_weight=0.0,
        edge_weight=0.0,
        tv_weight=0.0,
        scales="none",
        time_budget=config.compute.time_budget / (4.0 * num_styles),
        regions="none",
        num_regions=ControlConfig.num_regions,
        photorealistic=False,
        fidelity=ControlConfig.fidelity,
    )
