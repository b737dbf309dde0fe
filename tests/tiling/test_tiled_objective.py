"""The tiled objective, compared with the objective of the whole image."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from places import SUPPORT
from units import PAPER

import tf_style
from tf_style.config.network import NetworkConfig
from tf_style.engine.pictures import pictures_of
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.inputs.preparation import prepare_inputs
from tf_style.network.arithmetic import laid_out
from tf_style.network.extractor import make_extractor
from tf_style.objective.loss import loss_terms
from tf_style.objective.region_targets import controlled_targets
from tf_style.tiling import maps
from tf_style.tiling.tiled_objective import TiledObjective
from tf_style.tiling.tiles import Tiling

pytestmark = pytest.mark.usefixtures("mini_network")

TWO, FOUR = ("block2_pool", "block4_pool"), tuple(f"block{block}_pool" for block in range(1, 5))


def gap(ours, theirs):
    """Returns the relative distance."""
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


def blocks(rng, size):
    """Returns random blocks with noise: deep layers would average out noise alone."""
    colors = rng.uniform(size=[*(-(-length // 16) for length in size), 3])
    large = np.kron(colors, np.ones([16, 16, 1]))[: size[0], : size[1]]
    return (0.8 * large + 0.2 * rng.uniform(size=large.shape)).astype(np.float32)


def in_float64(nest):
    return tf.nest.map_structure(lambda tensor: tf.cast(tensor, tf.float64), nest)


def both(layers, size, kept, side, options, **masks):
    rng = np.random.default_rng(1)
    config = tf_style.StyleConfig(size=0).replace(**{"style_size": 60, **options})
    content = blocks(rng, size)
    # Dark: with a style like the image, the loss would be a difference of near-equal numbers.
    style, other = (0.3 * blocks(rng, each) for each in ((60, 52), (48, 60)))
    objective = tf_style.Objective(
        make_extractor(layers, config.network, layers=config.loss.layers), config.loss
    )
    tiled = TiledObjective(objective, Tiling(kept, (side,) * 5, side))
    styles = [style, other] if masks else [style]
    pictures = pictures_of(prepare_inputs(content, styles, config, ControlPictures(**masks)))
    whole = controlled_targets(objective, *pictures[:2], pictures.controls)
    for ours, theirs in (
        (tiled.content_targets(pictures.content), whole.content),
        (
            tiled.style_statistics(pictures.styles[0]),
            objective.style_statistics(pictures.styles[0]),
        ),
    ):
        assert max(tf.nest.flatten(tf.nest.map_structure(gap, ours, theirs))) <= 5e-6
    image = tf.constant(blocks(rng, size)[np.newaxis])
    _, gradient = objective.terms_and_gradient(image, whole)
    # Sums of the same features in float64: in float32 they have fewer digits than those of tiles.
    terms = loss_terms(config.loss, *in_float64((image, objective.features(image), whole)))
    return (terms, gradient), tiled.value_and_gradient(image, whole), tiled.terms(image, whole)


CASES = [
    ((97, 150), FOUR, 48, {}),
    ((150, 90), TWO, 64, {"style_loss": "covariance", "padding": "zeros"}),
    ((16, 300), FOUR, 48, {"style_loss": "mean_std"}),
    ((201, 31), TWO, 112, {"style_loss": "mmd_polynomial"}),
    ((96, 96), (), 32, {"style_loss": "mmd_linear", "content_reduction": "sum"}),
    ((99, 101), TWO, 48, {"style_loss": "mmd_gaussian", "edge_weight": 1000.0}),
    ((110, 90), FOUR, 16, {"content_layers": "conv1_2,conv3_3", "pooling": "max"}),
    ((97, 150), FOUR, 32, {"style_layers": "conv4_2", "pooling": "max", "tv_form": "nine_point"}),
    ((97, 150), TWO, 32, {"style_layers": "pool1,pool2,conv5_1", "tv_form": "sum_square"}),
    ((97, 150), FOUR, 48, {"padding": "reflect_all"}),
    ((97, 150), TWO, 1000, {"padding": "reflect"}),
]


@pytest.mark.parametrize(("size", "kept", "side", "options"), CASES)
def test_tiles_have_the_loss_and_gradient_of_the_whole_image(
    size, kept, side, options, mini_layers
):
    (terms, gradient), (value, ours), found = both(mini_layers, size, kept, side, options)
    assert float(value) == pytest.approx(float(terms.total), rel=1e-6)
    assert float(found.total) == float(value)
    for name, part in terms.layers.items():
        assert float(found.layers[name]) == pytest.approx(float(part), rel=1e-5)
    assert gap(ours, gradient) <= 1e-5


@pytest.mark.parametrize("arithmetic", ["bfloat16", laid_out("bfloat16")])
def test_tiles_in_bfloat16_have_the_loss_and_gradient_of_the_whole_image(arithmetic, mini_layers):
    loss = tf_style.LossConfig()
    extractor = make_extractor(
        mini_layers,
        NetworkConfig(),
        layers=loss.layers,
        arithmetic=arithmetic,
        features_dtype="bfloat16",
    )
    objective = tf_style.Objective(extractor, loss)
    rng = np.random.default_rng(3)
    content, style, image = (tf.constant(blocks(rng, (99, 150))[np.newaxis]) for _ in range(3))
    targets = objective.targets(content, 0.3 * style)
    expected, slope = objective.value_and_gradient(image, targets)
    tiled = TiledObjective(objective, Tiling(TWO, (48,) * 5, 48))
    found, gradient = tiled.value_and_gradient(image, targets)
    # Both round features to 8 bits, and gradients, at other places.
    assert float(found) == pytest.approx(float(expected), rel=1e-3)
    assert gap(gradient, slope) <= 0.03


@pytest.mark.parametrize("mode", ["simple", "inside"])
def test_tiles_of_regions_have_the_gradient_of_the_whole_image(mode, mini_layers):
    size = 170, 215
    mask = np.zeros([*size, 1], np.uint8)
    mask[:90, 30:120] = 255
    masks = {"content_masks": [mask, 255 - mask], "content_map": mask}
    options = {"mask_mode": mode, "style_loss": "gram,conv3_1:wasserstein", **PAPER}
    (terms, gradient), (value, ours), _ = both(mini_layers, size, TWO, 64, options, **masks)
    assert float(value) == pytest.approx(float(terms.total), rel=1e-6)
    assert gap(ours, gradient) <= 1e-5


def test_losses_that_compare_all_positions_are_refused(mini_layers):
    loss = tf_style.LossConfig(style_loss="gram,conv3_1:sliced")
    objective = tf_style.Objective(
        make_extractor(mini_layers, NetworkConfig(), layers=loss.layers), loss
    )
    with pytest.raises(ValueError, match=r"must have losses that are sums .* Received: sliced\."):
        TiledObjective(objective, Tiling(TWO, (64,) * 3, 64))


@pytest.mark.parametrize("on_disk", [False, True])
def test_reused_buffers_do_not_change_the_result(on_disk, mini_layers):
    loss = tf_style.LossConfig()
    extractor = make_extractor(mini_layers, NetworkConfig(), layers=loss.layers)
    tiled = TiledObjective(
        tf_style.Objective(extractor, loss), Tiling(FOUR, (32,) * 5, 32, on_disk)
    )
    rng = np.random.default_rng(3)
    images = [tf.constant(blocks(rng, size)[np.newaxis]) for size in ((40, 56), (40, 56), (72, 24))]
    targets = [tiled.targets(image, image / 2) for image in images]

    def evaluated():
        return [tiled.value_and_gradient(*pair) for pair in zip(images, targets, strict=True)]

    alone = evaluated()
    with tiled.keeping_memory():
        together = evaluated() + evaluated()
    for (value, gradient), (ours, our_gradient) in zip(alone * 2, together, strict=True):
        assert float(value) == float(ours)
        np.testing.assert_array_equal(gradient, our_gradient)


def test_no_space_for_maps_is_reported_as_such(mini_layers, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    loss = tf_style.LossConfig()
    extractor = make_extractor(mini_layers, NetworkConfig(), layers=loss.layers)
    tiled = TiledObjective(tf_style.Objective(extractor, loss), Tiling(FOUR, (32,) * 5, 32, True))
    image = tf.constant(blocks(np.random.default_rng(3), (40, 56))[np.newaxis])
    targets = tiled.targets(image, image / 2)
    monkeypatch.setattr(maps.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No room for .* `TMPDIR`"), tiled.keeping_memory():
        tiled.value_and_gradient(image, targets)
    with pytest.raises(OSError, match="No room for .* `TMPDIR`"):
        tiled.targets(image, image / 2)


ONE_CORE = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
sys.path[:0] = sys.argv[1].split(":")
from tf_style.cli import process
if sys.argv[2] == "tuned":
    process.tune_tensorflow()
import numpy as np
import tensorflow as tf
from mini_network import make_mini_layers
from test_tiled_objective import FOUR
import tf_style
from tf_style.network.extractor import make_extractor
from tf_style.tiling.tiled_objective import TiledObjective
from tf_style.tiling.tiles import Tiling
config = tf_style.StyleConfig(network=tf_style.NetworkConfig(normalized=False))
extractor = make_extractor(make_mini_layers(), config.network, layers=config.loss.layers)
whole = tf_style.Objective(extractor, config.loss)
try:
    tiled = TiledObjective(whole, Tiling(FOUR, (32,) * 5, 32))
except RuntimeError as error:
    print(error)
    raise SystemExit
image = tf.constant(np.random.default_rng(0).uniform(size=(1, 40, 48, 3)).astype("float32"))
evaluate = tf.function(tiled.value_and_gradient, autograph=False)
print(float(evaluate(image, tiled.targets(image, image / 2))[0]) > 0.0)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be taken away")
@pytest.mark.parametrize(
    ("how", "printed"), [("tuned", "True"), ("plain", "Tiles need two threads")]
)
def test_tiles_on_one_core_do_not_wait_forever(how, printed):
    folder = f"{SUPPORT}:{Path(__file__).parent}"
    run = subprocess.run(
        [sys.executable, "-c", ONE_CORE, folder, how],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert run.stdout.startswith(printed)


TWO_DEVICES = """
import sys
sys.path[:0] = sys.argv[1].split(":")
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import numpy as np
from mini_network import make_mini_layers
from test_tiled_objective import FOUR
import tf_style
from tf_style.network.extractor import make_extractor
from tf_style.tiling.tiled_objective import TiledObjective
from tf_style.tiling.tiles import Tiling
config = tf_style.StyleConfig(network=tf_style.NetworkConfig(normalized=False))
extractor = make_extractor(make_mini_layers(), config.network, layers=config.loss.layers)
tiled = TiledObjective(tf_style.Objective(extractor, config.loss), Tiling(FOUR, (32,) * 5, 32))
assert len(tiled.devices) == 2
rng = np.random.default_rng(0)
image, style = (tf.constant(rng.uniform(size=(1, 97, 80, 3)).astype("float32")) for _ in "ab")
targets = tiled.targets(image, style)
of_two = [value.numpy() for value in tiled.value_and_gradient(style, targets)]
tiled.devices = tiled.devices[:1]
of_one = [value.numpy() for value in tiled.value_and_gradient(style, targets)]
assert of_two[0] == of_one[0] and (of_two[1] == of_one[1]).all()
print("equal")
"""


def test_tiles_on_two_devices_give_the_same_bits_as_on_one():
    folder = f"{SUPPORT}:{Path(__file__).parent}"
    run = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, folder], capture_output=True, text=True, check=True
    )
    assert run.stdout == "equal\n"
