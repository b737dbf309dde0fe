"""Type checkers know the public names: in a user's program, typos are the only errors."""

import os
import re
import subprocess
import sys

import pytest
from places import ROOT

PROGRAM = """
import asyncio

import tensorflow as tf

import tf_style
import tf_style.keras
import tf_style.pipeline

config = tf_style.StyleConfig(size=256).replace(steps=10, style_layers="conv1_1:0.5,conv2_1")
config = config.replace(content_layers=["conv4_2"], style_weight=2, photorealistic=False)
config.replace(stepz=3)  # typo
config.replace(steps="ten")  # typo
tf_style.StyleConfig(sise=3)  # typo
tf_style.StyleConfig(steps=5, optimizer="adam", loss=tf_style.LossConfig())
tf_style.StyleConfig(steps=5, optimizer=tf_style.OptimizerConfig(history=9))
tf_style.StyleConfig(steps="ten")  # typo
cancellation = tf_style.Cancellation()


def show(progress: tf_style.Progress) -> bool:
    print(progress.step, progress.terms["style"], progress.seconds)
    return progress.lost < 1.0  # typo


result = tf_style.stylize(
    "a.jpg", ["b.jpg"], config=config, on_progress=show, progress_every=5, cancellation=cancellation
)
tf_style.styllize("a.jpg", "b.jpg")  # typo
tf_style.stylize("a.jpg", "b.jpg", on_progres=show)  # typo
result.save("c.png", bits=16)
result.save("c.png", bit=16)  # typo
status: tf_style.Status = result.status
print(status.value, result.image.shape, result.picture)  # typo
cancellation.cancle()  # typo

weights = tf_style.load_weights("vgg19-8bit")
loss = tf_style.LossConfig()
objective = tf_style.Objective(tf_style.build_extractor(weights.layers, layers=loss.layers), loss)
image = tf.zeros([1, 64, 64, 3])
targets = objective.targets(image, image)
more = tf_style.LossWeights(1, 1, 1)
value, gradient = objective.value_and_gradient(image, targets, weights=more)
terms = objective.terms(image, targets)
print(terms.total, terms.totals)  # typo
print(targets.content, targets.styles)  # typo
objective.value_and_gradient(image)  # typo
objective.value_and_gradiant(image, targets)  # typo
one, two, three = objective.value_and_gradient(image, targets)  # typo
number: int = objective.terms(image, targets)  # typo

augment = tf_style.keras.StyleAugmentation(["b.jpg"], value_range=(0, 1))
tf_style.keras.StyleAugmentation(["b.jpg"], value_rang=(0, 1))  # typo
tf_style.keras.StyleLos(style="b.jpg")  # typo
style_loss = tf_style.keras.StyleLoss(style="b.jpg")
with tf_style.keras.progress_callbacks([]) as on_progress:
    tf_style.stylize("a.jpg", "b.jpg", on_progress=on_progress)
with tf_style.keras.progress_callbacks([], terms=1) as on_progress:  # typo
    pass
stylize_element = tf_style.pipeline.stylizer(config)
tf_style.pipeline.styliser(config)  # typo
tf_style.pipeline.stylizer(confg=config)  # typo


async def main() -> None:
    painted = await tf_style.stylize_async("a.jpg", "b.jpg", config=config)
    painted.save("c.png")
    painted.sav("c.png")  # typo
    await tf_style.stylize_async("a.jpg", "b.jpg", conf=config)  # typo


asyncio.run(main())
solution = tf_style.minimize_lbfgs(lambda x: (x, x), image, num_steps=3)
print(solution.position, solution.positions)  # typo
"""

CHECKERS = {
    "mypy": ["-m", "mypy", "--config-file=", "--ignore-missing-imports", "--follow-imports=silent"],
    "pyright": ["-m", "pyright", "--pythonpath", sys.executable],
}


def planted():
    lines = PROGRAM.splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# typo")}


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_typos_are_the_only_errors_of_a_program(checker, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *CHECKERS[checker], str(path)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    found = re.findall(r"program\.py:(\d+):.*error", done.stdout)
    assert {int(number) for number in found} == planted(), done.stdout + done.stderr
