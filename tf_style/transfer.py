"""`stylize`: the whole of neural style transfer in one function."""

import dataclasses
import functools
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import numpy as np

from tf_style import checkpoints, engine
from tf_style.config import StyleConfig
from tf_style.control_inputs import ControlPictures
from tf_style.fine_texture import texture_config
from tf_style.found_regions import with_regions
from tf_style.inputs import Inputs, prepare_inputs
from tf_style.memory import described, excess
from tf_style.problem_cache import load_problem
from tf_style.progress import OnProgress, Progress, StyleResult, View
from tf_style.solution import State, Status, taken_up

_SAVING, _SAVING_A_PIXEL = 1.2, 1e-6  # Seconds from the last step to the end of the process.


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
            grey; or one in which each region has a color. What none covers stays as it is.
        style_masks: likewise of the styles: see `masks.read_regions`.
        content_map: picture, white where the content counts more, by `content_map_gain`.
        fine_style: picture whose fine texture the styles take on first; they then give the coarse
            structure.
        checkpoint_dir: folder of its own, in which the run keeps where it stands. A call with the
            same arguments goes on from there, with `deterministic` to the same bits; the
            checkpoint is removed once the result is there, unless `on_progress` ended the run.
        checkpoint_seconds: between checkpoints, roughly; each costs the time to write the
            optimiser's memory, 2 * `history` pictures of float32.
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


def stylize_inputs(
    inputs: Inputs,
    config: StyleConfig,
    *,
    on_progress: OnProgress | None = None,
    notify: Callable[[str], None] | None = None,
    pause_every: int | None = None,
    started: float | None = None,
    resume_from: State | None = None,
) -> StyleResult:
    """Returns the result for pictures that `prepare_inputs` has read; see `stylize`.

    `pause_every` ends slices at its multiples, `started` is when the time budget began, on the
    clock of `time.perf_counter`: now, if left out. `resume_from` is what `Progress.state` gave in
    a run of the same inputs and config; regions are found anew.
    """
    deadline = None
    if config.compute.time_budget:
        started = time.perf_counter() if started is None else started
        deadline = _deadline(started + config.compute.time_budget, inputs.content.shape[1:3])
    inputs = with_regions(inputs, config, notify=notify)
    textured = with_fine_texture(
        inputs, config, on_progress=on_progress, notify=notify, resume_from=resume_from
    )
    if any(name not in (resume_from or ()) for name in textured.done):
        resume_from = None  # It was of a texture.
    inputs = textured.inputs
    problem, weights_sha256 = load_problem(config, notify=notify)
    hashed = np.frombuffer(bytes.fromhex(weights_sha256), np.uint8)
    began = time.perf_counter()
    if resume_from is not None:
        kinds = {"seconds": ([], np.float64), "weights_sha256": ([32], np.uint8)}
        seconds, weights = taken_up(resume_from, kinds).values()
        began -= float(seconds)
        if not np.array_equal(weights, hashed):
            raise ValueError(
                "`weights` must be those that the run was begun with, to go on with it. Received: "
                f"weights={config.network.weights!r}, which has changed. Bring them back, or begin "
                "anew."
            )

    present: list[engine.Stand] = []  # No `Progress` that is kept is to keep its memory.

    def state() -> State:
        if not present:
            raise ValueError("`Progress.state` must be called while `on_progress` runs.")
        return {
            **present[0].state(),
            **textured.done,
            "seconds": time.perf_counter() - began,
            "weights_sha256": hashed,
        }

    def progress(stand: engine.Stand) -> dict[str, Any]:
        return {
            "step": stand.step,
            "num_steps": stand.num_steps,
            "num_evaluations": stand.num_evaluations,
            "seconds": time.perf_counter() - began,
            "loss": stand.loss,
            "stage_size": tuple(stand.image.shape[1:3]),
            "config": config,
            "weights_sha256": weights_sha256,
            "view": View(stand.image, stand.targets, stand.objective, inputs),
            "state": state,
        }

    def on_slice(stand: engine.Stand) -> bool | None:
        present.append(stand)
        asked = on_progress(Progress(**progress(stand))) if on_progress else None
        present.clear()
        return asked or textured.cancelled

    size = inputs.content.shape[1:3]
    if notify is not None:
        limit = engine.limit_for(size, config, resume_from)
        planned = engine.planned(size, config, limit)
        for _, (height, width), plan in planned:
            if plan.tiling is not None or plan.is_short:
                notify(f"{width}x{height} px: {described(plan)}")
        if told := excess([each.size_plan for each in planned], config, limit):
            notify(told)
    with engine.enough_memory(size):
        stand = engine.run(
            problem,
            inputs,
            config,
            deadline=deadline,
            pause_every=pause_every,
            on_slice=on_slice,
            resume_from=resume_from,
        )
        return StyleResult(**progress(stand), status=cast("Status", stand.status))


def _deadline(due: float, size: tuple[int, int]) -> float:
    """Returns when to end, on the clock of `time.perf_counter`, for the file to be there."""
    return due - _SAVING - _SAVING_A_PIXEL * size[0] * size[1]


class Textured(NamedTuple):
    """What `with_fine_texture` gives.

    Attributes:
        inputs: with the fine style's texture on their styles.
        cancelled: whether `on_progress` asked to end.
        done: the styles with their texture, by name, as a state keeps them.
    """

    inputs: Inputs
    cancelled: bool = False
    done: Mapping[str, np.ndarray] = MappingProxyType({})


def with_fine_texture(
    inputs: Inputs,
    config: StyleConfig,
    *,
    on_progress: OnProgress | None = None,
    notify: Callable[[str], None] | None = None,
    resume_from: State | None = None,
) -> Textured:
    """Returns the inputs with the fine style's texture on their styles.

    Each style is the start of a minimisation at its own size, in which only the style loss of
    conv1_1 and conv2_1 counts. What these layers do not see, the coarse structure, stays.

    Args:
        inputs: with a `fine_style`, or without: then they stay as they are.
        config: the optimiser and its steps; of a time budget all styles together get a quarter.
        on_progress: called with the `Progress` of each style; a true result leaves the rest.
        notify: called with a line of text.
        resume_from: as for `stylize_inputs`.

    References:
        Gatys et al. (2017), Controlling perceptual factors in neural style transfer, section 6.
    """
    if inputs.fine_style is None:
        return Textured(inputs)
    texture = texture_config(config, len(inputs.styles))
    cancelled = False
    done: dict[str, np.ndarray] = {}

    def on_slice(progress: Progress) -> bool:
        nonlocal cancelled
        before = dict(done)
        phase = dataclasses.replace(
            progress, phase="texture", state=lambda: {**progress.state(), **before}
        )
        cancelled = bool(on_progress and on_progress(phase))
        return cancelled

    styles = list(inputs.styles)
    for index, style in enumerate(styles):
        name = f"textured_{index}"
        if resume_from is not None and name in resume_from:
            kind = style.shape, style.dtype
            styles[index] = done[name] = taken_up(resume_from, {name: kind})[name].numpy()
            continue
        if cancelled:
            break
        if notify is not None:
            notify("Putting the fine style's texture onto a style picture")
        alone = Inputs(
            content=style,
            styles=(inputs.fine_style,),
            start=style,
            alpha=None,
            blend=np.ones(1, np.float32),
        )
        result = stylize_inputs(
            alone, texture, on_progress=on_slice, notify=notify, resume_from=resume_from
        )
        styles[index] = done[name] = np.clip(result.image, 0.0, 1.0)
        resume_from = None
    return Textured(inputs._replace(styles=tuple(styles), fine_style=None), cancelled, done)
