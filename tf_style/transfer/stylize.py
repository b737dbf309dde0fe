"""`stylize`: neural style transfer from pictures to the finished result, in one function."""

import os
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from tf_style._checks import checked_integer
from tf_style.config.style_config import StyleConfig
from tf_style.images.sources import all_fetched, fetched
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.preparation import prepare_inputs
from tf_style.optimizers.cancellation import Cancellation
from tf_style.optimizers.solution import Status
from tf_style.provenance.origin import origin_of
from tf_style.transfer import checkpoints
from tf_style.transfer.painting import paint
from tf_style.transfer.progress import OnProgress, Progress, StyleResult, check_on_progress, every


def stylize(
    content: Any,
    style: Any,
    *,
    config: StyleConfig | None = None,
    content_masks: Sequence[Any] = (),
    style_masks: Sequence[Any] = (),
    content_map: Any = None,
    fine_style: Any = None,
    keep: Any = None,
    checkpoint_dir: str | os.PathLike | None = None,
    checkpoint_seconds: float = 60.0,
    on_progress: OnProgress | None = None,
    progress_every: int | None = None,
    cancellation: Cancellation | None = None,
    notify: Callable[[str], None] | None = None,
) -> StyleResult:
    """Returns the content picture painted in the style of the other, or of several.

    Args:
        content: path, PIL picture, or array or tensor `[H, W, 1 | 3 | 4]` (a leading batch of
            1 is allowed): uint8 0..255, uint16 0..65535 or float 0..1, RGB. Or the bytes of a
            picture file, a file open for reading them, or an address such as
            "s3://bucket/photo.jpg", which fsspec reads (extra `remote`).
        style: the same; or a list or tuple of styles, which are blended with the weights
            `style_blend`, or paint one region each.
        config: all other options; the default preset if omitted.
        content_masks: pictures that are white inside a region of the content, gray at soft edges;
            or one picture with a color for each region. Parts that no mask covers stay unchanged.
        style_masks: the same for the styles: see `masks.read_regions`.
        content_map: picture that is white where the content counts more, by `content_map_gain`.
        fine_style: picture whose fine texture the styles take on first; they then provide the
            coarse structure.
        keep: picture that is white where the content stays as it is, to the bit, and gray at soft
            edges.
        checkpoint_dir: folder for checkpoints of this run only. A call with the same arguments
            resumes from there, with `deterministic` bit for bit. The checkpoints are removed when
            the result is complete, unless the run was ended.
        checkpoint_seconds: rough time between checkpoints. Each takes the time to write the
            optimizer's state, 2 * `history` pictures of float32.
        on_progress: called with a `Progress` between slices of steps, a few seconds apart; a
            true result ends the run early. With a `fine_style` it is first called for the styles,
            with the `phase` 'texture'. See also `write_summaries` and
            `keras.progress_callbacks`.
        progress_every: call `on_progress` after every multiple of this many steps, counted over
            all sizes, and at no other time.
        cancellation: ends the run from any thread, within a step of the optimizer.
        notify: called with a line of text before weights are downloaded, about stretched masks and
            found regions, and if a checkpoint cannot be written (that is a warning otherwise).

    Returns:
        The result; with `Status.CANCELLED` the current one, if the run was ended. The networks of
        the last two configs stay in memory for the next call.

    Raises:
        OSError: if a file cannot be read or the weights cannot be downloaded.
        ValueError: if a picture, the config or the weights are invalid; says why.
        TypeError: if an array is neither uint8, uint16 nor float, `config` is not a StyleConfig,
            `progress_every` is not an integer, or `on_progress` cannot be called.
        FloatingPointError: if a loss term is not finite; names it.
        MemoryError: if the size needs more memory than there is.

    Example:
        >>> result = tf_style.stylize("photo.jpg", "painting.jpg")
        >>> result.save("painted.png")

    References:
        Gatys et al. (2016).
    """
    started = time.perf_counter()
    config = checked_config(config)
    check_callbacks(on_progress, cancellation)
    if progress_every is not None:
        progress_every = checked_integer("progress_every", progress_every, minimum=1)
    if on_progress is not None and progress_every is not None:
        on_progress = every(progress_every, on_progress)
    content, style = fetched(content, argument="content"), all_fetched(style, argument="style")
    given = {
        "content_masks": content_masks,
        "style_masks": style_masks,
        "content_map": content_map,
        "fine_style": fine_style,
        "keep": keep,
    }
    controls = ControlPictures(
        **{name: all_fetched(each, argument=name) for name, each in given.items()}
    )
    inputs = prepare_inputs(content, style, config, controls)
    inputs = inputs._replace(origin=origin_of(content, style, controls._asdict()))
    if notify is not None:
        for note in inputs.notes:
            notify(note)
    if checkpoint_dir is None:
        return paint(
            inputs,
            config,
            on_progress=on_progress,
            cancellation=cancellation,
            notify=notify,
            pause_every=progress_every,
            started=started,
        )
    saved = checkpoints.begin_or_resume(
        checkpoint_dir, inputs, config, seconds=checkpoint_seconds, started=started
    )

    def on_slice(progress: Progress) -> bool:
        is_cancelled = bool(on_progress and on_progress(progress))
        is_cancelled |= cancellation is not None and cancellation.is_cancelled
        saved.after_slice(progress, notify=notify or warnings.warn, at_once=is_cancelled)
        return is_cancelled

    result = paint(
        inputs,
        config,
        on_progress=on_slice,
        cancellation=cancellation,
        notify=notify,
        pause_every=progress_every,
        started=saved.started,
        resume_from=saved.resume_from,
    )
    if result.status is not Status.CANCELLED:
        saved.remove()
    return result


def checked_config(config: StyleConfig | None) -> StyleConfig:
    """Returns the config, or the default one.

    Raises:
        TypeError: unless it is a StyleConfig or None.
    """
    config = StyleConfig() if config is None else config
    if not isinstance(config, StyleConfig):
        raise TypeError(
            f"`config` must be a StyleConfig. Received: {type(config).__name__}. Use "
            "`tf_style.StyleConfig().replace(size=256)`."
        )
    return config


def check_callbacks(on_progress: Callable | None, cancellation: Cancellation | None) -> None:
    """Raises TypeError if what follows or ends a run is something else."""
    check_on_progress(on_progress)
    if cancellation is not None and not isinstance(cancellation, Cancellation):
        raise TypeError(
            "`cancellation` must be a Cancellation. Received: "
            f"cancellation={cancellation!r}. Use `tf_style.Cancellation()`."
        )
