"""Times an evaluation of loss and gradient with each control, relative to the plain objective.

Run: python tools/speed/bench_controls.py [--size=512] [--repeats=7] (about 3 minutes on two cores)

For each control, prints the median seconds of an evaluation, and the median ratio to a plain
evaluation timed just before, since the machine's speed drifts. Pictures are 4:3 noise; region
masks are vertical bands.
"""

import argparse
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

import tf_style
from tf_style.cli import process
from tf_style.config.loss import STYLE_LOSS_NAMES
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.preparation import prepare_inputs

if TYPE_CHECKING:
    from tf_style.engine.problem import Problem, StageProblem


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="longer edge, px")
    parser.add_argument("--repeats", type=int, default=7, help="timings of each control")
    options = parser.parse_args()
    process.set_environment()
    process.tune_tensorflow()
    from tf_style.engine.assembly import load_problem
    from tf_style.engine.pictures import pictures_of

    rng = np.random.default_rng(0)
    size = options.size * 3 // 4, options.size
    content, *styles = (rng.integers(0, 256, (*size, 3), np.uint8) for _ in range(4))
    bands = [np.zeros([*size, 1], np.uint8) for _ in range(3)]
    for index, band in enumerate(bands):
        band[:, index * size[1] // 3 : (index + 1) * size[1] // 3] = 255
    soft = rng.integers(0, 256, (*size, 1), np.uint8)
    cases: dict[str, tuple[dict, ControlPictures, list]] = {
        "two styles": ({}, ControlPictures(), styles[:2]),
        "one region": ({}, ControlPictures(bands[:1]), styles[:1]),
        "three regions": ({}, ControlPictures(bands), styles[:1]),
        "three regions, three styles": ({}, ControlPictures(bands), styles),
        "three soft regions": ({}, ControlPictures([soft, 255 - soft, soft]), styles[:1]),
        "three regions, inside": ({"mask_mode": "inside"}, ControlPictures(bands), styles[:1]),
        "three regions, a color each": (
            {"color": "match,content,luminance"}, ControlPictures(bands), styles[:1]
        ),
        "a style at three scales": ({"style_scales": "1,0.5,0.25"}, ControlPictures(), styles[:1]),
        "content map": ({}, ControlPictures(content_map=soft), styles[:1]),
        "edges": ({"edge_weight": 0.3}, ControlPictures(), styles[:1]),
        "edges and content map": (
            {"edge_weight": 0.3}, ControlPictures(content_map=soft), styles[:1]
        ),
        "two content layers": (
            {"content_layers": "conv2_2,conv4_2"}, ControlPictures(), styles[:1]
        ),
        "content_reduction=self_similarity": (
            {"content_reduction": "self_similarity"}, ControlPictures(), styles[:1]
        ),
    }  # fmt: skip
    cases |= {
        f"style_loss={name}": ({"style_loss": name}, ControlPictures(), styles[:1])
        for name in STYLE_LOSS_NAMES[1:]
    }

    def prepared(given: dict, masks: ControlPictures, paintings: list) -> tuple:
        config = tf_style.StyleConfig(size=0).replace(precision="float32", **given)
        problem, _ = load_problem(config)
        return problem, problem.at(pictures_of(prepare_inputs(content, paintings, config, masks)))

    plain = prepared({}, ControlPictures(), styles[:1])
    seconds(*plain)
    print("control | s an evaluation | ratio to plain")
    for name, case in cases.items():
        ours = prepared(*case)
        seconds(*ours)
        times, ratios = [], []
        for _ in range(options.repeats):
            before = seconds(*plain)
            times.append(seconds(*ours))
            ratios.append(times[-1] / before)
        print(
            f"{name} | {statistics.median(times):.3f} | {statistics.median(ratios):.2f}", flush=True
        )


def seconds(problem: "Problem", stage: "StageProblem") -> float:
    """Returns the seconds of one evaluation."""
    began = time.perf_counter()
    _ = problem.value_and_gradient(stage.start, stage.data)[1].numpy()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
