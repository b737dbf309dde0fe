"""Compares the optimizers by evaluations and by seconds, at one size, from the photograph.

Run: python tools/compare_optimizers.py CONTENT STYLE [--size=256] [--evaluations=100]
(four runs of so many evaluations, in turn: 5 minutes at 256 px on two cores)

Prints the loss of the picture as saved after a quarter, a half and all of the evaluations, and
the seconds an evaluation took, the optimizer's own work included, tracing not.
"""

import argparse
import sys

from tf_style.cli import process

RUNS = {
    "lbfgs, spectrum": {"optimizer": "lbfgs"},
    "lbfgs, pixels": {"optimizer": "lbfgs", "parametrization": "pixels"},
    "tfp_lbfgs, spectrum": {"optimizer": "tfp_lbfgs"},
    "adam": {"optimizer": "adam"},
}


def main() -> int:
    """Runs each optimizer and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--evaluations", type=int, default=100)
    options = parser.parse_args()
    process.set_environment()
    process.tune_tensorflow()
    import tf_style
    from tf_style.inputs.inputs import prepare_inputs
    from tf_style.transfer.painting import stylize_inputs

    marks = [options.evaluations // 4, options.evaluations // 2, options.evaluations]
    print("optimizer | " + " | ".join(f"{mark} evaluations" for mark in marks) + " | s each")
    for name, changes in RUNS.items():
        config = tf_style.StyleConfig(size=options.size).replace(
            scales="none", steps=options.evaluations, **changes
        )
        points: list[tuple[int, float, float]] = []

        def on_progress(
            progress: tf_style.Progress, points: list[tuple[int, float, float]] = points
        ) -> bool:
            points.append((progress.num_evaluations, progress.loss, progress.seconds))
            return progress.num_evaluations >= options.evaluations

        inputs = prepare_inputs(options.content, options.style, config)
        stylize_inputs(inputs, config, on_progress=on_progress, pause_every=1)
        losses = [
            min((loss for count, loss, _ in points if count <= mark), default=float("nan"))
            for mark in marks
        ]
        first, last = points[1], points[-1]
        each = (last[2] - first[2]) / (last[0] - first[0])
        print(name + " | " + " | ".join(f"{loss:.3g}" for loss in losses) + f" | {each:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
