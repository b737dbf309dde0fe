"""transfer.stylize."""

import functools
import os
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from tf_style.config.style_config import StyleConfig
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.inputs import prepare_inputs
from tf_style.optimizers.solution import Status
from tf_style.transfer import checkpoints
from tf_style.transfer.painting import stylize_inputs
from tf_style.transfer.progress import OnProgress, Progress, StyleResult


def stylize(
    content: Any,
    style: Any,
    *,
    config: StyleConfig | None = None,
    content_masks: Sequence[Any] = (),
    style_masks: Sequence[Any] = (),
    content_map: Any = None,
    fine_style: Any = None,
    checkpoint_dir: str | os.PathLike | None = None,
    checkpoint_seconds: float = 60.0,
    on_progress: OnProgress | None = None,
    notify: Callable[[str], None] | None = None,
) -> StyleResult:
    """Returns the content picture painted in the style of the other, or of several.

    Args:
        content: path, PIL picture, or array or tensor `[H, W, 1 | 3 | 4]` (a leading batch of
            1 is allowed): uint8 0..255, uint16 0..65535 or float 0..1, RGB.
        style: likewise; or a list or tuple of such, whose statistics are averaged with the
            weights `style_blend`, or which are for one region each.
        config: every other choice; the default preset if left out.
        content_masks: pictures, white where a region of the content is, soft where they are
            gray; or one in which each region has a color. What none covers stays as it is.
        style_masks: likewise of the styles: see `masks.read_regions`.
        content_map: picture, white where the content counts more, by `content_map_gain`.
        fine_style: picture whose fine texture the styles take on first; they then give the coarse
            structure.
        checkpoint_dir: folder of its own, in which the run keeps where it stands. A call with the
            same arguments goes on from there, with `deterministic` to the same bits; the
            checkpoint is removed once the result is there, unless `on_progress` ended the run.
        checkpoint_seconds: between checkpoints, roughly; each costs the time to write the
            optimizer's memory, 2 * `history` pictures of float32.
        on_progress: called with a `Progress` between slices of steps, a few seconds apart; a
            true result ends the run with what there is. With a `fine_style` first for the styles,
            whose `phase` is 'texture'.
        notify: called with a line of text before weights are fetched, about masks that are
            stretched, about regions that are found, and if a checkpoint cannot be written (without
            it, that is a warning).

    Returns:
        The result. The networks of the last two configs stay in memory for the next call.

    Raises:
        OSError: if a file cannot be read or the weights not fetched.
        ValueError: if a picture, the config or the weights cannot be used; says why.
        TypeError: if an array is neither uint8, uint16 nor float, `config` no StyleConfig, or
            `on_progress` cannot be called.
        FloatingPointError: if a loss term is not finite; names it.
        MemoryError: if the size needs more memory than there is.

    Example:
        >>> result = tf_style.stylize("photo.jpg", "painting.jpg")
        >>> result.save("painted.png")

    References:
        Gatys et al. (2016).
    """
    started = time.perf_counter()
    config = StyleConfig() if config is None else config
    if not isinstance(config, StyleConfig):
        raise TypeError(
            f"`config` must be a StyleConfig. Received: {type(config).__name__}. Use "
            "`tf_style.StyleConfig().replace(size=256)`."
        )
    if on_progress is not None and not callable(on_progress):
        raise TypeError(f"`on_progress` must be callable. Received: {on_progress!r}.")
    controls = ControlPictures(content_masks, style_masks, content_map, fine_style)
    inputs = prepare_inputs(content, style, config, controls)
    if notify is not None:
        for note in inputs.notes:
            notify(note)
    run = functools.partial(stylize_inputs, inputs, config, notify=notify)
    if checkpoint_dir is None:
        return run(on_progress=on_progress, started=started)
    kept = checkpoints.begin_or_go_on(
        checkpoint_dir,
        inputs,
        config,
        seconds=checkpoint_seconds,
        started=started,
    )

    def on_slice(progress: Progress) -> bool:
        asked = bool(on_progress and on_progress(progress))
        kept.after_slice(progress, notify=notify or warnings.warn, at_once=asked)
        return asked

    result = run(on_progress=on_slice, started=kept.started, resume_from=kept.resume_from)
    if result.status is not Status.CANCELLED:
        kept.remove()
    return result
