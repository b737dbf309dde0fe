"""`stylize_batch`: several pictures in one optimization."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from tf_style._checks import checked_integer, shown
from tf_style.config.style_config import StyleConfig
from tf_style.engine import stages
from tf_style.engine.assembly import load_problem
from tf_style.engine.batch_stages import BatchRun, can_share, run_batch, shared_config
from tf_style.engine.pictures import pictures_of
from tf_style.engine.run_state import RunState
from tf_style.images.sources import all_fetched, fetched
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.inputs import Inputs
from tf_style.inputs.preparation import prepare_inputs
from tf_style.optimizers.cancellation import Cancellation
from tf_style.provenance.origin import origin_of
from tf_style.transfer.fast_start import with_fast_start
from tf_style.transfer.found_regions import with_regions
from tf_style.transfer.optimization import Report
from tf_style.transfer.painting import paint
from tf_style.transfer.progress import OnProgress, Progress, StyleResult, every
from tf_style.transfer.stylize import check_callbacks, checked_config

OnBatchProgress = Callable[[int, Progress], bool | None]
"""Called with the index of a picture and its progress; a true result ends its run early."""


def stylize_batch(
    contents: Sequence[Any],
    styles: Sequence[Any],
    *,
    config: StyleConfig | Sequence[StyleConfig] | None = None,
    on_progress: OnBatchProgress | None = None,
    progress_every: int | None = None,
    cancellation: Cancellation | None = None,
    notify: Callable[[str], None] | None = None,
) -> list[StyleResult]:
    """Returns several contents painted in their styles, each as `stylize` would paint it.

    Pictures whose results have one size are optimized together: one evaluation of the network
    serves all of them, while each has its own history, steps, weights and end. At small sizes that
    is faster than one after the other. The results differ by rounding, which many steps enlarge.
    Pictures whose configs differ in more than `steps`, `content_weight`, `style_weight`,
    `style_strength` and `tv_weight` are optimized apart. So are those that need another optimizer
    than 'lbfgs', a time budget, `jit_compile` or tiles: these one by one, each with its own time
    budget.

    Args:
        contents: content pictures, each as for `stylize`. All are in memory at once.
        styles: as many styles, each as for `stylize`: one picture, or a list of several that are
            blended. `[style] * len(contents)` is one style for all.
        config: the options of all pictures, or a list of one config for each.
        on_progress: called with the index of a picture and its `Progress`, between slices of steps;
            a true result ends the run of this picture early. `Progress.state` cannot resume a run.
        progress_every: call `on_progress` at every multiple of so many steps of a picture, and at
            no other step.
        cancellation: ends all runs from any thread, at their next step.
        notify: called with a line of text, as by `stylize`; lines about one picture begin with its
            index.

    Returns:
        The results, in the order of the contents.

    Raises:
        ValueError: if the numbers of contents, styles and configs differ; else as `stylize`.
        OSError, TypeError, FloatingPointError, MemoryError: as `stylize`; then no picture has a
            result. A message about one picture begins with its index.

    Example:
        >>> results = tf_style.stylize_batch(["a.jpg", "b.jpg"], ["painting.jpg"] * 2)
    """
    contents, styles = _listed("contents", contents), _listed("styles", styles)
    configs = _configs(config, len(contents))
    _check_count("styles", len(styles), len(contents))
    check_callbacks(on_progress, cancellation)
    if progress_every is not None:
        progress_every = checked_integer("progress_every", progress_every, minimum=1)
    calls = [_of_index(on_progress, progress_every, index) for index in range(len(contents))]
    prepared = []
    for index, (content, style, each) in enumerate(zip(contents, styles, configs, strict=True)):
        with _naming(index):
            content = fetched(content, argument="content")
            style = all_fetched(style, argument="style")
            inputs = prepare_inputs(content, style, each, ControlPictures())
            inputs = inputs._replace(origin=origin_of(content, style, {}))
        if (tell := _numbered(notify, index)) is not None:
            for note in inputs.notes:
                tell(note)
        prepared.append(inputs)
    results: dict[int, StyleResult] = {}
    groups, alone = _groups(prepared, configs)
    for (_, shared), indices in groups.items():
        chosen = [_Run(index, prepared[index], configs[index], calls[index]) for index in indices]
        found = _together(chosen, shared, progress_every, cancellation, notify)
        results.update(zip(indices, found, strict=True))
    for index in alone:
        with _naming(index):
            results[index] = paint(
                prepared[index],
                configs[index],
                on_progress=calls[index],
                pause_every=progress_every,
                cancellation=cancellation,
                notify=_numbered(notify, index),
            )
    return [results[index] for index in range(len(contents))]


_Groups: TypeAlias = dict[tuple[tuple[int, ...], StyleConfig], list[int]]
"""The indices of pictures that are optimized together, by size and by what configs share."""


def _groups(
    prepared: Sequence[Inputs], configs: Sequence[StyleConfig]
) -> tuple[_Groups, list[int]]:
    """Returns the groups, and the indices of the pictures that must be optimized alone."""
    groups: _Groups = {}
    alone = []
    for index, (inputs, config) in enumerate(zip(prepared, configs, strict=True)):
        size = inputs.content.shape[1:3]
        if can_share(config, size):
            groups.setdefault((size, shared_config(config)), []).append(index)
        else:
            alone.append(index)
    return groups, alone


class _Run(NamedTuple):
    """One picture of a group: its index, and what is its own."""

    number: int
    inputs: Inputs
    config: StyleConfig
    on_progress: OnProgress | None


def _together(
    chosen: Sequence[_Run],
    shared: StyleConfig,
    progress_every: int | None,
    cancellation: Cancellation | None,
    notify: Callable[[str], None] | None,
) -> list[StyleResult]:
    """Returns the results of pictures of one size, optimized together.

    Args:
        chosen: the pictures.
        shared: what their configs have in common.
        progress_every: as for `stylize_batch`.
        cancellation: as for `stylize_batch`.
        notify: as for `stylize_batch`.
    """
    loaded = load_problem(shared, notify=notify)
    reports, runs = {}, []
    for index, inputs, config, on_progress in chosen:
        note = _numbered(notify, index)
        inputs = with_regions(inputs, config, notify=note)
        inputs = with_fast_start(inputs, config, notify=note)
        runs.append(BatchRun(index, pictures_of(inputs), config))
        reports[index] = Report(inputs, config, loaded, on_progress)

    def on_slice(index: int, state: RunState) -> bool | None:
        return reports[index].on_slice(state)

    with stages.enough_memory(runs[0].pictures.content.shape[1:3]):
        ends = run_batch(
            loaded.problem,
            runs,
            pause_every=progress_every,
            on_slice=on_slice if chosen[0].on_progress else None,
            cancellation=cancellation,
        )
    return [report.result(end) for report, end in zip(reports.values(), ends, strict=True)]


def _listed(argument: str, pictures: Sequence[Any]) -> list[Any]:
    """Returns the pictures as a list.

    Raises:
        TypeError: if they are one picture, or cannot be listed.
    """
    rank = len(getattr(pictures, "shape", [None] * 4))
    is_one = isinstance(pictures, (str, bytes, os.PathLike)) or rank < 4
    if is_one or not isinstance(pictures, Iterable):
        found = f"an array of {rank} dimensions" if rank < 4 else shown(pictures)
        raise TypeError(
            f"`{argument}` must be a list of pictures. Received: {argument}={found}. Use "
            f"`[picture]`, or `stylize` for one picture."
        )
    return list(pictures)


def _configs(config: StyleConfig | Sequence[StyleConfig] | None, count: int) -> list[StyleConfig]:
    if config is None or isinstance(config, StyleConfig):
        return [checked_config(config)] * count
    configs = list(config) if isinstance(config, Iterable) else [config]
    for each in configs:
        if not isinstance(each, StyleConfig):
            raise TypeError(
                "`config` must be a StyleConfig, or a list of one for each of `contents`. "
                f"Received: {type(each).__name__}. Use `tf_style.StyleConfig(size=256)`."
            )
    _check_count("config", len(configs), count)
    return configs


def _check_count(argument: str, found: int, count: int) -> None:
    if found != count:
        raise ValueError(
            f"`{argument}` must have one entry for each of `contents`. Received: {found} for "
            f"{count} contents. Use `[one] * len(contents)` for one that serves all."
        )


_ERRORS = (FileNotFoundError, FloatingPointError, MemoryError, OSError, TypeError, ValueError)


@contextlib.contextmanager
def _naming(index: int) -> Iterator[None]:
    """Lets the messages about a picture begin with its index."""
    try:
        yield
    except _ERRORS as error:
        kind = next(kind for kind in _ERRORS if isinstance(error, kind))
        raise kind(f"{index}: {error}") from error


def _numbered(notify: Callable[[str], None] | None, index: int) -> Callable[[str], None] | None:
    return None if notify is None else lambda line: notify(f"{index}: {line}")


def _of_index(
    on_progress: OnBatchProgress | None, progress_every: int | None, index: int
) -> OnProgress | None:
    if on_progress is None:
        return None

    def call(progress: Progress) -> bool | None:
        return on_progress(index, progress)

    return call if progress_every is None else every(progress_every, call)
