"""Compares the optimizers, the histories of L-BFGS or the starts of runs, on pairs of pictures.

Run: python tools/speed/compare_optimizers.py CONTENT STYLE [CONTENT STYLE ...] [--size=256]
(four runs of --evaluations=100 for each pair: 5 minutes at 256 px on two cores; with --histories or
--starts eight runs of about the default schedule for each pair)

Each optimizer starts from the photograph at one size. Prints the loss of the saved picture after a
quarter, half and all of the evaluations, and the seconds of an evaluation, including the
optimizer's own work but not tracing.

With --histories, each run is the default schedule, deterministic, and L-BFGS keeps at most that
many pairs at every size, in float32 or rounded to bfloat16. Prints a row for each: the bytes of
history for each pixel, and the final losses relative to the first row, the default.

With --starts, each run begins with the photograph or with what the style network paints, and has
the default's sizes and steps or fewer. Prints the final loss for each pair and the seconds of all,
relative to the first row, the default.
"""

import argparse
import dataclasses
import functools
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from tf_style.cli import process

RUNS: dict[str, Any] = {
    "lbfgs, spectrum": {"optimizer": "lbfgs"},
    "lbfgs, pixels": {"optimizer": "lbfgs", "parametrization": "pixels"},
    "tfp_lbfgs, spectrum": {"optimizer": "tfp_lbfgs"},
    "adam": {"optimizer": "adam"},
}
HISTORIES = (20, 10, 5, 3)
STARTS: tuple[dict[str, Any], ...] = (
    {"init": "content"},
    {"init": "fast"},
    {"init": "content", "steps": 16},
    {"init": "fast", "steps": 16},
    {"init": "content", "scales": "0.5:23,1:23"},
    {"init": "fast", "scales": "0.5:23,1:23"},
    {"init": "content", "scales": "1:23"},
    {"init": "fast", "scales": "1:23"},
)


def main() -> int:
    """Runs each optimizer, history or start, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", help="content and style of each pair")
    parser.add_argument("--size", type=int, default=256, help="longer edge, px")
    parser.add_argument("--evaluations", type=int, default=100, help="of each optimizer")
    others = parser.add_mutually_exclusive_group()
    others.add_argument("--histories", action="store_true", help="compare L-BFGS histories instead")
    others.add_argument("--starts", action="store_true", help="compare starts of runs instead")
    options = parser.parse_args()
    if len(options.pictures) % 2:
        parser.error("every content picture needs a style picture")
    process.set_environment()
    process.tune_tensorflow()
    pairs = list(zip(options.pictures[::2], options.pictures[1::2], strict=True))
    if options.histories:
        compare_histories(pairs, options.size)
    elif options.starts:
        compare_starts(pairs, options.size)
    else:
        for pair in pairs:
            compare_optimizers(*pair, options.size, options.evaluations)
    return 0


def compare_optimizers(content: str, style: str, size: int, evaluations: int) -> None:
    """Prints the losses and seconds of each optimizer for one pair."""
    import tf_style
    from tf_style.inputs.preparation import prepare_inputs
    from tf_style.transfer.painting import paint

    marks = [evaluations // 4, evaluations // 2, evaluations]
    print("optimizer | " + " | ".join(f"{mark} evaluations" for mark in marks) + " | s each")
    for name, changes in RUNS.items():
        config = tf_style.StyleConfig(size=size).replace(
            scales="none", steps=evaluations, **changes
        )
        points: list[tuple[int, float, float]] = []

        def on_progress(
            progress: tf_style.Progress, points: list[tuple[int, float, float]] = points
        ) -> bool:
            points.append((progress.num_evaluations, progress.loss, progress.seconds))
            return progress.num_evaluations >= evaluations

        inputs = prepare_inputs(content, style, config)
        paint(inputs, config, on_progress=on_progress, pause_every=1)
        losses = [
            min((loss for count, loss, _ in points if count <= mark), default=float("nan"))
            for mark in marks
        ]
        first, last = points[1], points[-1]
        each = (last[2] - first[2]) / (last[0] - first[0])
        row = " | ".join(f"{loss:.3g}" for loss in losses)
        print(f"{name} | {row} | {each:.2f}", flush=True)


def _lbfgs(kind: Callable[..., Any], function: Any, start: Any, *_: Any, **options: Any) -> Any:
    """Returns L-BFGS with its own history, whatever the plan of memory says."""
    return kind(function, start, **options)


def compare_histories(pairs: list[tuple[str, str]], size: int) -> None:
    """Prints the final losses with shorter and rounded L-BFGS histories."""
    import tf_style
    from tf_style.optimizers.lbfgs import Lbfgs
    from tf_style.optimizers.table import OPTIMIZERS

    config = tf_style.StyleConfig(size=size).replace(deterministic=True)
    print("| pairs | stored as | bytes a pixel | loss relative to the default |")
    print("|---|---|---|---|")
    default: list[float] = []
    for history in HISTORIES:
        for rounded in (False, True):
            make = functools.partial(_lbfgs, Lbfgs, history=history, bfloat16_history=rounded)
            fixed = dataclasses.replace(OPTIMIZERS["lbfgs"], make=make)
            with mock.patch.dict(OPTIMIZERS, lbfgs=fixed):
                losses = [tf_style.stylize(*pair, config=config).loss for pair in pairs]
            default = default or losses
            ratios = [f"{loss / first:.3f}" for loss, first in zip(losses, default, strict=True)]
            kind, num_bytes = ("bfloat16", 12) if rounded else ("float32", 24)
            row = f"{history} | {kind} | {num_bytes * history} | {', '.join(ratios)}"
            print(f"| {row} |", flush=True)


def compare_starts(pairs: list[tuple[str, str]], size: int) -> None:
    """Prints the final losses and seconds of runs with other starts, sizes and steps."""
    import tf_style

    for init in ("content", "fast"):  # Loads and compiles.
        for pair in pairs:
            tf_style.stylize(
                *pair, config=tf_style.StyleConfig(size=size, steps=1).replace(init=init)
            )
    print("start | sizes and steps | loss of each pair | seconds")
    default: list[tuple[float, float]] = []
    for changes in STARTS:
        config = tf_style.StyleConfig(size=size).replace(**changes)
        found = []
        for pair in pairs:
            begin = time.perf_counter()
            found.append((tf_style.stylize(*pair, config=config).loss, time.perf_counter() - begin))
        default = default or found
        losses = [
            f"{loss / first:.3f}" for (loss, _), (first, _) in zip(found, default, strict=True)
        ]
        seconds = sum(each for _, each in found) / sum(each for _, each in default)
        sizes = changes.get("scales") or f"auto, {config.optimizer.steps}"
        print(f"{config.init} | {sizes} | {', '.join(losses)} | {seconds:.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
