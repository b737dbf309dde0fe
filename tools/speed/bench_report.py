"""Prints tables and draws charts from the measurements of `bench_peers.py`.

Run: python tools/speed/bench_report.py BENCH.json [--chart=FOLDER] (a second)

A *run* is one process of tf_style: its wall seconds, and pastiche's loss of its picture. A *curve*
belongs to pastiche: rows of evaluations, loss of the float picture, loss of the saved picture.
"""

import argparse
import dataclasses
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

FLOAT, SAVED = 1, 2
"""Columns of a curve."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table: a pair of pictures, or the median of several.

    None means not reached or not measured. Seconds are wall seconds of whole processes. A ratio
    above 1 favors tf_style, except for `share`, where less is better.

    Attributes:
        name: the pair.
        peer_seconds: pastiche's time for all evaluations.
        peer_saved: the final loss of its saved picture.
        peer_float: the final loss of its float picture.
        to_saved: our shortest time to a saved picture as good as its saved one.
        to_saved_ratio: `peer_seconds / to_saved`.
        to_float: our shortest time to a saved picture as good as its float one.
        to_float_ratio: `peer_seconds / to_float`.
        share: our saved loss after the longest run within `peer_seconds`, over `peer_saved`.
        share_seconds: the time of that run.
        floats: our shortest time to a float picture as good as its float one.
        floats_ratio: `peer_seconds / floats`.
        peer_mib: pastiche's peak memory.
        our_mib: our peak memory.
    """

    name: str
    peer_seconds: float
    peer_saved: float
    peer_float: float
    to_saved: float | None
    to_saved_ratio: float | None
    to_float: float | None
    to_float_ratio: float | None
    share: float | None
    share_seconds: float | None
    floats: float | None
    floats_ratio: float | None
    peer_mib: float | None
    our_mib: float | None


_RATIOS = ("to_saved_ratio", "to_float_ratio", "floats_ratio")


def seconds_to_reach(runs: Iterable[dict[str, Any]], loss: float) -> float | None:
    """Returns the seconds of the fastest run whose loss is at most `loss`, or None."""
    return min((run["seconds"] for run in runs if run["loss"] <= loss), default=None)


def longest_within(runs: Iterable[dict[str, Any]], seconds: float) -> dict[str, Any] | None:
    """Returns the longest run that took at most `seconds`, or None."""
    fitting = [run for run in runs if run["seconds"] <= seconds]
    return max(fitting, key=lambda run: run["seconds"], default=None)


def evaluations_to_reach(
    curve: Sequence[Sequence[float]], loss: float, column: int
) -> float | None:
    """Returns the number of evaluations after which the curve first reaches `loss`, or None.

    Between points, the logarithm of the loss is interpolated linearly.
    """
    for i, point in enumerate(curve):
        if point[column] > loss:
            continue
        if i == 0:
            return float(point[0])
        before = curve[i - 1]
        share = math.log(before[column] / loss) / math.log(before[column] / point[column])
        return before[0] + share * (point[0] - before[0])
    return None


def peer_seconds(timings: Sequence[dict[str, Any]], evaluations: float) -> float:
    """Returns pastiche's seconds: the median start plus `evaluations` median evaluations.

    Args:
        timings: dicts with `start`, the seconds of startup, and `steps`, those of each evaluation.
        evaluations: the number of evaluations.
    """
    start = statistics.median(timing["start"] for timing in timings)
    step = statistics.median(statistics.median(timing["steps"]) for timing in timings)
    return start + evaluations * step


def ratio(above: float | None, below: float | None) -> float | None:
    """Returns above / below, or None if either is None."""
    return None if above is None or below is None else above / below


def runs_of(pair: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Returns the runs of a kind, 'saved' or 'float', with a known loss, sorted by seconds."""
    runs = [run for run in pair["runs"] if run["kind"] == kind and run.get("loss") is not None]
    return sorted(runs, key=lambda run: run["seconds"])


def row_of(pair: dict[str, Any], evaluations: int) -> Row:
    """Returns the table's row for a pair with a curve and timings."""
    taken = peer_seconds(pair["timings"], evaluations)
    last = next(point for point in pair["curve"] if point[0] == evaluations)
    saved, floats = runs_of(pair, "saved"), runs_of(pair, "float")
    to_saved = seconds_to_reach(saved, last[SAVED])
    to_float = seconds_to_reach(saved, last[FLOAT])
    to_float_floats = seconds_to_reach(floats, last[FLOAT])
    longest = longest_within(saved, taken)
    return Row(
        name=pair["name"],
        peer_seconds=taken,
        peer_saved=last[SAVED],
        peer_float=last[FLOAT],
        to_saved=to_saved,
        to_saved_ratio=ratio(taken, to_saved),
        to_float=to_float,
        to_float_ratio=ratio(taken, to_float),
        share=longest["loss"] / last[SAVED] if longest else None,
        share_seconds=longest["seconds"] if longest else None,
        floats=to_float_floats,
        floats_ratio=ratio(taken, to_float_floats),
        peer_mib=pair.get("peer_mib"),
        our_mib=max((run["mib"] for run in saved), default=None),
    )


def median_row(rows: Sequence[Row]) -> Row:
    """Returns the median of each column.

    Values that were not reached count as worst. With such values, the worse of the two middle
    ones is taken, so that the median does not flatter.
    """
    values: dict[str, Any] = {"name": "median"}
    for field in dataclasses.fields(Row)[1:]:
        column = [getattr(row, field.name) for row in rows]
        known = [value for value in column if value is not None]
        if len(known) == len(column):
            values[field.name] = statistics.median(known)
        elif field.name in _RATIOS:
            middle = statistics.median_low(known + [0.0] * (len(column) - len(known)))
            values[field.name] = middle or None
        else:
            middle = statistics.median_high(known + [math.inf] * (len(column) - len(known)))
            values[field.name] = None if middle == math.inf else middle
    return Row(**values)


def _number(value: float | None, form: str, missing: str = "not reached") -> str:
    return missing if value is None else form.format(value)


def _loss(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000.0 else f"{value:.4g}"


def _reached(seconds: float | None, times: float | None) -> str:
    if times is None:
        return "not reached"
    return f"{_number(seconds, '{:.1f} s', '-')} ({times:.1f}x)"


def _grid(rows: Sequence[Sequence[str]]) -> str:
    """Returns lines with aligned columns; the first column is left-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def summary(pairs: Sequence[dict[str, Any]], evaluations: int) -> str:
    """Returns the table: a row for each measured pair, and the median."""
    rows = [row_of(pair, evaluations) for pair in measured(pairs)]
    if not rows:
        return "Nothing to show yet."
    if len(rows) > 1:
        rows.append(median_row(rows))
    columns: list[tuple[str, Callable[[Row], str]]] = [
        (f"pastiche, {evaluations}", lambda row: f"{row.peer_seconds:.1f} s"),
        ("saved loss", lambda row: _loss(row.peer_saved)),
        ("float loss", lambda row: _loss(row.peer_float)),
        ("ours to saved", lambda row: _reached(row.to_saved, row.to_saved_ratio)),
        ("ours to float", lambda row: _reached(row.to_float, row.to_float_ratio)),
        ("loss at its time", _share),
    ]
    if any(runs_of(pair, "float") for pair in pairs):
        columns.append(("float to float", lambda row: _reached(row.floats, row.floats_ratio)))
    if any(row.peer_mib for row in rows):
        columns.append(("MiB", lambda row: _number(row.peer_mib, "{:.0f}", "-")))
        columns.append(("our MiB", lambda row: _number(row.our_mib, "{:.0f}", "-")))
    grid = [["", *(title for title, _ in columns)]]
    grid += [[row.name, *(text(row) for _, text in columns)] for row in rows]
    return _grid(grid)


def _share(row: Row) -> str:
    if row.share is None:
        return "-"
    return f"{row.share:.3f} ({_number(row.share_seconds, '{:.0f} s')})"


def ladder(pair: dict[str, Any], kind: str, evaluations: int) -> str:
    """Returns a row for each run: its loss, and when pastiche first reached it."""
    column = SAVED if kind == "saved" else FLOAT
    grid = [[f"{pair['name']}, {kind}", "seconds", "loss", "pastiche as good after", "ratio"]]
    for run in runs_of(pair, kind):
        within = [point for point in pair["curve"] if point[0] <= evaluations]
        needed = evaluations_to_reach(within, run["loss"], column)
        after, times = f"> {evaluations} evaluations", "-"
        if needed is not None:
            seconds = peer_seconds(pair["timings"], needed)
            after, times = f"{needed:.0f} = {seconds:.1f} s", f"{seconds / run['seconds']:.1f}"
        line = [f"  budget {run['budget']:g}", f"{run['seconds']:.1f}", _loss(run["loss"])]
        grid.append([*line, after, times])
    return _grid(grid)


def measured(pairs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the pairs with all measurements that the table needs."""
    return [pair for pair in pairs if pair["curve"] and pair["timings"] and runs_of(pair, "saved")]


def report(bench: dict[str, Any]) -> str:
    """Returns all tables as text."""
    evaluations = bench["settings"]["evaluations"]
    parts = [
        ladder(pair, kind, evaluations)
        for pair in measured(bench["pairs"])
        for kind in ("saved", "float")
        if runs_of(pair, kind)
    ]
    return "\n\n".join([*parts, summary(bench["pairs"], evaluations)])


def check_matplotlib() -> None:
    """Raises ImportError with the pip command if matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "`chart` needs matplotlib. Install it with: pip install 'tf-style[bench]'"
        ) from error


_PEER, _OURS = "#D55E00", "#0072B2"  # Distinguishable by the color-blind (Okabe and Ito).


def draw(pair: dict[str, Any], evaluations: int, path: Path) -> None:
    """Writes a chart of loss against seconds, both on logarithmic axes."""
    check_matplotlib()
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    curve = [point for point in pair["curve"] if 0 < point[0] <= evaluations]
    times = [peer_seconds(pair["timings"], point[0]) for point in curve]
    figure = Figure(figsize=(8.0, 5.0), layout="constrained")
    axes = figure.add_subplot()
    lines: list[tuple[str, int, str, dict[str, Any]]] = [
        ("saved", SAVED, "saved picture", {"ls": "-", "lw": 2.0}),
        ("float", FLOAT, "before saving", {"ls": ":", "lw": 1.3}),
    ]
    for kind, column, label, style in lines:
        runs = runs_of(pair, kind)
        if not runs:
            continue
        losses = [point[column] for point in curve]
        axes.plot(times, losses, color=_PEER, label=f"pastiche, {label}", **style)
        seconds, losses = [run["seconds"] for run in runs], [run["loss"] for run in runs]
        style |= {"marker": "o", "ms": 4}
        axes.plot(seconds, losses, color=_OURS, label=f"tf_style, {label}", **style)
    end = curve[-1][SAVED]
    axes.axhline(end, color="0.6", lw=0.8, ls="--", zorder=0)
    axes.annotate(
        f"pastiche\nafter {evaluations}:\n{_loss(end)}",
        (1.0, end),
        xycoords=("axes fraction", "data"),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        color="0.35",
        fontsize=9,
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _loss(value)))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("seconds from the start of the process")
    axes.set_ylabel("loss, as pastiche computes it")
    width, height = pair["size"]
    axes.set_title(f"{pair['name']}, {width}x{height} px", loc="left", fontsize=11)
    axes.grid(which="major", color="0.9", lw=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right")
    figure.savefig(path, dpi=120)


def draw_all(bench: dict[str, Any], folder: Path) -> list[Path]:
    """Writes a chart for each measured pair to the folder; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for pair in measured(bench["pairs"]):
        paths.append(folder / f"{pair['name']}.png")
        draw(pair, bench["settings"]["evaluations"], paths[-1])
    return paths


def main() -> int:
    """Prints the tables and draws the charts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench", type=Path, help="file that bench_peers.py wrote with --json")
    parser.add_argument("--chart", type=Path, metavar="FOLDER", help="draw a chart for each pair")
    arguments = parser.parse_args()
    try:
        bench = json.loads(arguments.bench.read_text(encoding="utf-8"))
        print(report(bench))
        if arguments.chart:
            for path in draw_all(bench, arguments.chart):
                print(f"Wrote {path}")
    except (OSError, ValueError, KeyError, ImportError) as error:
        print(f"bench_report: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
