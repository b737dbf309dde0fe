"""Measures what fewer pairs of L-BFGS, or pairs rounded to bfloat16, cost: the loss at the end.

    python tools/measure_history.py PHOTO PAINTING [PHOTO PAINTING ...] [--size=384]

Each run is the default schedule, deterministic, with so many pairs at most at all sizes. Prints a
line of a table for each; losses are for that of the first one, the default.
"""

import argparse
import functools
from unittest import mock

from tf_style.cli import process

HISTORIES = (20, 10, 5, 3)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", help="a photo and a painting, as often as wanted")
    parser.add_argument("--size", type=int, default=384, help="px")
    options = parser.parse_args()
    process.set_environment()
    import tf_style
    from tf_style.engine import solver
    from tf_style.optimizers.lbfgs import minimize_lbfgs

    process.tune_tensorflow()
    config = tf_style.StyleConfig(size=options.size).replace(deterministic=True)
    pairs = list(zip(options.pictures[::2], options.pictures[1::2], strict=True))
    print("| pairs | kept as | bytes a pixel | loss for the default's |\n|---|---|---|---|")
    first: list[float] = []
    for history in HISTORIES:
        for rounded in (False, True):
            minimize = functools.partial(minimize_lbfgs, history=history, bfloat16_history=rounded)
            with mock.patch.dict(solver.MINIMIZERS, lbfgs=lambda *_, found=minimize: found):
                losses = [tf_style.stylize(*pair, config=config).loss for pair in pairs]
            first = first or losses
            ratios = ", ".join(f"{loss / of:.3f}" for loss, of in zip(losses, first, strict=True))
            kind, size = ("bfloat16", 12) if rounded else ("float32", 24)
            print(f"| {history} | {kind} | {size * history} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
