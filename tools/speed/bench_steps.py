"""Measures what a step of L-BFGS costs besides the network: history, transforms, judging.

Run: python tools/speed/bench_steps.py [--sizes 128 512] (about a minute on two cores)

The function is a quadratic, which costs next to nothing. For each size (longer edge, 4:3), prints
milliseconds: those of a step with a full history and of one of the first 23 steps, whose history
is still filling; those of the maps from position to image and from the image's gradient back; and
a whole step of the picture, with these maps and the gamut. The quadratic itself is subtracted. Each
figure is the least of many rounds, in which all figures take turns.
"""

import argparse
import functools
import time
import typing
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np

from tf_style.cli import process

if typing.TYPE_CHECKING:
    import tensorflow as tf

    from tf_style.objective.objective import Objective

STEPS = 23  # The default at the full size.
MORE = 20  # Steps whose history is full.


def quadratic(position: "tf.Tensor", arguments: tuple) -> "tuple[tf.Tensor, tf.Tensor]":
    """Returns the value and gradient of a quadratic with its minimum at 0."""
    import tensorflow as tf

    gradient = arguments[0] * position
    return 0.5 * tf.reduce_sum(gradient * position), gradient


class Quadratic:
    """A quadratic in place of the objective: `targets` are its diagonal."""

    def value_and_gradient(
        self, image: "tf.Tensor", targets: "tf.Tensor", **_: object
    ) -> "tuple[tf.Tensor, tf.Tensor]":
        """Returns value and gradient; its minimum is mid-gray."""
        return quadratic(image - 0.5, (targets,))


def functions(height: int, width: int, bfloat16: bool) -> dict[str, Callable[[], object]]:
    """Returns what is timed at a size, by name."""
    import tensorflow as tf

    from tf_style.engine.parametrization import PARAMETRIZATIONS
    from tf_style.engine.problem import Problem, ProblemData
    from tf_style.optimizers.lbfgs import minimize_lbfgs

    rng = np.random.default_rng(0)
    shape = (1, height, width, 3)
    image = tf.constant(rng.uniform(size=shape), tf.float32)
    diagonal = tf.constant(10.0 ** rng.uniform(0.0, 5.0, size=shape), tf.float32)
    kind = PARAMETRIZATIONS["spectrum"]
    basis = kind.basis(height, width, 0.5)
    position = kind.to_position(image, basis)
    problem = Problem(typing.cast("Objective", Quadratic()), kind, gamut=True)

    def steps(of: Callable, start: tf.Tensor, arguments: tuple, number: int) -> int:
        found = minimize_lbfgs(
            of,
            start,
            arguments=arguments,
            num_steps=number,
            bfloat16_history=bfloat16,
            slice_seconds=1e9,
        )
        float(tf.reshape(found.position, [-1])[0])
        return found.num_evaluations

    @tf.function(autograph=False)
    def evaluations(number: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(
            lambda index, _: index < number,
            lambda index, place: (index + 1, quadratic(place, (diagonal,))[1]),
            (0, image),
        )[1][0, 0, 0, 0]

    alone = functools.partial(steps, quadratic, image - 0.5, ((diagonal,),))
    pictured = functools.partial(
        steps, problem.value_and_gradient, position, (ProblemData(diagonal, basis),)
    )
    to_image = tf.function(lambda: kind.to_image(position, basis), autograph=False)
    back = tf.function(lambda: kind.to_position_gradient(image, basis), autograph=False)
    each = {
        f"{name} {number}": functools.partial(run, number)
        for name, run in {"alone": alone, "pictured": pictured}.items()
        for number in (1, 1 + STEPS, 1 + STEPS + MORE)
    }
    return each | {
        "no quadratic": lambda: float(evaluations(tf.constant(0))),
        "quadratic": lambda: float(evaluations(tf.constant(MORE))),
        "to image": lambda: to_image().numpy(),
        "back": lambda: back().numpy(),
    }


def least_milliseconds(
    runs: dict[str, Callable[[], object]], seconds: float
) -> tuple[dict[str, float], dict[str, int]]:
    """Returns the least milliseconds of each run, in rounds, and what each returned as a number."""
    found = {name: run() for name, run in runs.items()}
    least = dict.fromkeys(runs, float("inf"))
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            least[name] = min(least[name], 1e3 * (time.perf_counter() - start))
    return least, {name: each for name, each in found.items() if isinstance(each, int)}


def row(height: int, width: int, options: SimpleNamespace) -> list[float]:
    """Returns the figures of a size, in milliseconds."""
    runs = functions(height, width, options.bfloat16)
    least, evaluations = least_milliseconds(runs, options.seconds)
    function = max(0.0, (least["quadratic"] - least["no quadratic"]) / MORE)

    def each(name: str, low: int, high: int) -> float:
        number = evaluations[f"{name} {high}"] - evaluations[f"{name} {low}"]
        return (least[f"{name} {high}"] - least[f"{name} {low}"]) / number - function

    marks = 1, 1 + STEPS, 1 + STEPS + MORE
    return [
        each("alone", *marks[:2]),
        each("alone", *marks[1:]),
        least["to image"],
        least["back"],
        each("pictured", *marks[:2]),
        each("pictured", *marks[1:]),
    ]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = [128, 256, 512, 1024]
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes, help="longer edges, px")
    parser.add_argument("--seconds", type=float, default=12.0, help="time for each size")
    parser.add_argument("--bfloat16", action="store_true", help="a history in bfloat16")
    options = parser.parse_args(namespace=SimpleNamespace())
    process.set_environment()
    process.tune_tensorflow()
    print("milliseconds    L-BFGS alone         maps             a step of the picture")
    print("size          first 23   full    to image    back     first 23   full")
    for size in options.sizes:
        height, width = size * 3 // 4, size
        figures = row(height, width, options)
        print(
            f"{width:4d}x{height:<4d} {figures[0]:12.2f} {figures[1]:6.2f} {figures[2]:11.2f} "
            f"{figures[3]:7.2f} {figures[4]:12.2f} {figures[5]:6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
