"""`stylize_batch`: several pictures in one optimization."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

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
from tf_style.transfer.found_regions import with_regions
from tf_style.transfer.optimization import Report
from tf_style.transfer.painting import paint
from tf_style.transfer.progress import OnProgress, Progress, StyleResult
from tf_style.transfer.stylize import checked_config

OnBatchProgress = Callable[[int, Progress], bool | None]
"""Called with the index of a picture and its progress; a true result ends its run early."""


def stylize_batch(
    contents: Sequence[Any],
    styles: Sequence[Any],
    *,
    config: StyleConfig | Sequence[StyleConfig] | None = None,
    on_progress: OnBatchProgress | None = None,
    cancellation: Cancellation | None = None,
    notify: Callable[[str], None] | None = None,
) -> list[StyleResult]:
    """Returns several contents painted in their styles, each as `stylize` would paint it.

    Pictures whose results have one size are optimized together: one evaluation of the network
    serves all of them, while each has its own history, steps, weights and end. At small sizes that
    is much faster than one after the other; the results differ by rounding. Pictures whose configs
    differ in more than `steps`, `content_weight`, `style_weight`, `style_strength` and `tv_weight`
    are optimized apart. So are those that need another optimizer than 'lbfgs', a time budget,
    `jit_compile` or tiles: these one by one, each with its own time budget.

    Args:
        contents: content pictures, each as for `stylize`. All are in memory at once.
        styles: as many styles, each as for `stylize`: one picture, or a list of several that are
            blended. `[style] * len(contents)` is one style for all.
        config: the options of all pictures, or a list of one config for each.
        on_progress: called with the index of a picture and its `Progress`, between slices of steps;
            a true result ends the run of this picture early. `Progress.state` cannot resume a run.
        cancellation: ends all runs from any thread, at their next step.
        notify: called with a line of text, as by `stylize`; lines about one picture begin with its
            index.

    Returns:
        The results, in the order of the contents.

    Raises:
        ValueError: if the numbers of contents, styles and configs differ; else as `stylize`.
        OSError, TypeError, FloatingPointError, MemoryError: as `stylize`. A message about a picture
            begins with its index.

    Example:
        >>> results = tf_style.stylize_batch(["a.jpg", "b.jpg"], ["painting.jpg"] * 2)
    """
    configs = _configs(config, len(contents))
    _check_count("styles", len(styles), len(contents))
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
        chosen = [(index, prepared[index], configs[index]) for index in indices]
        found = _together(chosen, shared, on_progress, cancellation, notify)
        results.update(zip(indices, found, strict=True))
    for index in alone:
        results[index] = paint(
            prepared[index],
            configs[index],
            on_progress=_of_index(on_progress, index),
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


def _together(
    chosen: Sequence[tuple[int, Inputs, StyleConfig]],
    shared: StyleConfig,
    on_progress: OnBatchProgress | None,
    cancellation: Cancellation | None,
    notify: Callable[[str], None] | None,
) -> list[StyleResult]:
    """Returns the results of pictures of one size, optimized together.

    Args:
        chosen: the index of each picture, its inputs and its config.
        shared: what the configs have in common.
        on_progress: as for `stylize_batch`.
        cancellation: as for `stylize_batch`.
        notify: as for `stylize_batch`.
    """
    loaded = load_problem(shared, notify=notify)
    reports, runs = [], []
    for index, inputs, config in chosen:
        inputs = with_regions(inputs, config, notify=_numbered(notify, index))
        runs.append(BatchRun(pictures_of(inputs), config))
        reports.append(Report(inputs, config, loaded, _of_index(on_progress, index)))

    def on_slice(row: int, state: RunState) -> bool | None:
        return reports[row].on_slice(state)

    with stages.enough_memory(runs[0].pictures.content.shape[1:3]):
        ends = run_batch(
            loaded.problem,
            runs,
            on_slice=on_slice if on_progress else None,
            cancellation=cancellation,
        )
    return [report.result(end) for report, end in zip(reports, ends, strict=True)]


def _configs(config: StyleConfig | Sequence[StyleConfig] | None, count: int) -> list[StyleConfig]:
    if config is None or isinstance(config, StyleConfig):
        return [checked_config(config)] * count
    _check_count("config", len(config), count)
    return [checked_config(each) for each in config]


def _check_count(argument: str, found: int, count: int) -> None:
    if found != count:
        raise ValueError(
            f"`{argument}` must have one entry for each of `contents`. Received: {found} for "
            f"{count} contents. Use `[one] * len(contents)` for one that serves all."
        )


@contextlib.contextmanager
def _naming(index: int) -> Iterator[None]:
    """Lets the messages about a picture begin with its index."""
    try:
        yield
    except (OSError, TypeError, ValueError) as error:
        raise type(error)(f"{index}: {error}") from error


def _numbered(notify: Callable[[str], None] | None, index: int) -> Callable[[str], None] | None:
    return None if notify is None else lambda line: notify(f"{index}: {line}")


def _of_index(on_progress: OnBatchProgress | None, index: int) -> OnProgress | None:
    return None if on_progress is None else lambda progress: on_progress(index, progress)
