"""SavedModels give the numbers and pictures of the command line, whatever program runs them."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from mini_network import use_mini_network
from PIL import Image
from places import SUPPORT, TOOLS
from tensorflow_serving.apis import prediction_log_pb2

import tf_style
from tf_style.cli import main
from tf_style.engine.assembly import make_problem
from tf_style.engine.graph_stages import start_image
from tf_style.export.saved_model import Exported
from tf_style.export.signatures import NAMES, Signatures, measured
from tf_style.export.tensor_names import named_targets, named_terms
from tf_style.inputs.preparation import prepare_inputs
from tf_style.network import winograd
from tf_style.serving.errors import RequestError
from tf_style.serving.model import SavedModel

OPTIONS = {"scales": "none", "steps": 5, "size": 40}
SHALLOW = {"content_layers": "conv3_1", "style_layers": "conv1_1,conv2_1,conv3_1"}
"""Two poolings and half of the default layers: for tests that do not depend on depth."""
SIMPLE = {**SHALLOW, "optimizer": "adam"}
"""No line search, which takes seconds to trace: for tests that do not depend on the optimizer."""
CONTENT, STYLE = (36, 48), (41, 32)

ALONE = """
import sys
for name in ("keras", "tf_keras", "tensorflow_probability", "tf_style"):
    sys.modules[name] = None  # Importing it fails.
import numpy as np, tensorflow as tf
folder, inputs, outputs = sys.argv[1:]
model, found = tf.saved_model.load(folder), {}
given = np.load(inputs)
image, content, style = (tf.constant(given[name]) for name in ("image", "content", "style"))
for name, call in {
    "features": lambda: model.features(image),
    "targets": lambda: model.targets(content, style),
    "loss_and_gradient": lambda: model.loss_and_gradient(image, content, style),
    "stylize": lambda: model.stylize(content, style),
}.items():
    found.update({f"{name}:{key}": value.numpy() for key, value in call().items()})
files = (tf.constant([given[name].tobytes()]) for name in ("content_png", "style_png"))
png = model.signatures["serving_default"](
    content_bytes=next(files), style_bytes=next(files), size=tf.constant([40]),
    num_steps=tf.constant([5]), content_weight=tf.constant([1.0]),
    style_weight=tf.constant([4.5]), tv_weight=tf.constant([0.25]),
)["png_bytes"].numpy()[0]
np.savez(outputs, png=np.frombuffer(png, np.uint8), **found)
"""


SAME_BITS = """
import sys
sys.path[:0] = sys.argv[1].split(":")
import numpy as np, pytest, tensorflow as tf
from tf_style.cli import process
process.tune_tensorflow()  # As the command line does, so both have the same graph rewriting.
tf.config.experimental.enable_op_determinism()
from mini_network import make_mini_layers, use_mini_network
from test_saved_model import SHALLOW, image, settings
import tf_style
content, style = image((60, 80), 1), image((80, 50), 2)
config = settings(size=0, scales="0.5:6,1:6", **SHALLOW)
with pytest.MonkeyPatch.context() as monkeypatch:
    use_mini_network(monkeypatch, make_mini_layers())
    tf_style.export_saved_model(sys.argv[2], config=config)
    model = tf.saved_model.load(sys.argv[2])
    found = model.stylize(content, style)
    expected = tf_style.stylize(content, style, config=config.replace(deterministic=True))
    assert int(found["num_evaluations"][0]) == expected.num_evaluations
    print(np.abs(found["image"] - expected.image).max())
"""


def settings(**options):
    return tf_style.StyleConfig().replace(**{**OPTIONS, **options})


@pytest.fixture(scope="module", autouse=True)
def network(mini_layers):
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_mini_network(monkeypatch, mini_layers)
        yield


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tf_style" / "1"
    done = tf_style.export_saved_model(path, config=settings(), max_pixels=100_000)
    assert done.path == path
    assert done.signatures == NAMES
    return path


@pytest.fixture(scope="module")
def model(folder):
    return tf_style.load(folder)


@pytest.fixture(scope="module")
def served(folder):
    model = SavedModel(folder)
    yield model
    model.close()


def pixels(size, seed):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def image(size, seed):
    return pixels(size, seed)[np.newaxis].astype(np.float32) / np.float32(255.0)


def file_of(pixels, kind="PNG", **options):
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, kind, **options)
        return file.getvalue()


def pixels_of(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def distance(found, expected):
    """Returns the norm of the difference, relative to the norm of the expected array."""
    found, expected = (np.asarray(value, np.float64) for value in (found, expected))
    assert found.shape == expected.shape
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.fixture(scope="module")
def inputs():
    return {
        "image": image(CONTENT, 3),
        "content": image(CONTENT, 1),
        "style": image(STYLE, 2),
        "content_png": file_of(pixels(CONTENT, 1)),
        "style_png": file_of(pixels(STYLE, 2)),
    }


def objective(mini_layers, config):
    from tf_style.network.extractor import make_extractor

    extractor = make_extractor(mini_layers, config.network, layers=config.loss.layers)
    return tf_style.Objective(extractor, config.loss)


@pytest.fixture(scope="module")
def expected(inputs, mini_layers):
    """Returns the values that this process computes, by the names that `ALONE` uses."""
    ours = objective(mini_layers, settings())
    targets = ours.targets(inputs["content"], inputs["style"])
    value, gradient = ours.value_and_gradient(tf.constant(inputs["image"]), targets)
    terms = ours.terms(tf.constant(inputs["image"]), targets)
    result = tf_style.stylize(inputs["content"], inputs["style"], config=settings(size=0))
    features = ours.extractor(inputs["image"])
    return {
        **{f"features:{name}": value for name, value in features.items()},
        **{f"targets:{name}": value for name, value in named_targets(targets).items()},
        **{f"loss_and_gradient:{name}": value for name, value in named_terms(terms).items()},
        "loss_and_gradient:total_loss": value,
        "loss_and_gradient:gradient": gradient,
        "stylize:image": result.image,
        "stylize:loss": [result.loss],
        "stylize:num_steps": [result.step],
        "stylize:num_evaluations": [result.num_evaluations],
    }


@pytest.fixture(scope="module")
def expected_pixels(inputs):
    small = Image.open(io.BytesIO(inputs["content_png"])).size
    assert max(small) != 40, "the graph must have to resize"
    return tf_style.stylize(pixels(CONTENT, 1), pixels(STYLE, 2), config=settings()).pixels


def test_tensorflow_alone_gives_the_same_numbers(
    folder, inputs, expected, expected_pixels, tmp_path
):
    np.savez(
        tmp_path / "in.npz",
        **{
            name: np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value
            for name, value in inputs.items()
        },
    )
    subprocess.run(
        [sys.executable, "-c", ALONE, folder, tmp_path / "in.npz", tmp_path / "out.npz"],
        check=True,
        capture_output=True,
        cwd=tmp_path,
    )
    found = np.load(tmp_path / "out.npz")
    assert set(found) == {*expected, "png"}
    for name, value in expected.items():
        limit = 1e-4 if name.startswith("stylize") else 1e-5  # Steps amplify rounding errors.
        assert distance(found[name], value) <= limit, name
    difference = pixels_of(found["png"].tobytes()).astype(int) - expected_pixels
    assert np.abs(difference).max() <= 1  # Pillow and the graph round differently when they resize.


def test_deterministic_pictures_equal_those_of_the_command_line_to_the_bit(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SAME_BITS, f"{SUPPORT}:{Path(__file__).parent}", tmp_path / "model"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == 0.0


def test_tensorflows_own_command_line_runs_a_signature(folder, inputs, expected, tmp_path):
    names = ("image", "content", "style")
    (tmp_path / "out").mkdir()
    for name in names:
        np.save(tmp_path / f"{name}.npy", inputs[name])
    files = ";".join(f"{name}={tmp_path / name}.npy" for name in names)
    command = [Path(sys.executable).parent / "saved_model_cli", "run", "--dir", folder]
    command += ["--tag_set", "serve", "--signature_def", "loss_and_gradient"]
    subprocess.run(
        [*command, "--inputs", files, "--outdir", tmp_path / "out"],
        check=True,
        capture_output=True,
    )
    gradient = np.load(tmp_path / "out/gradient.npy")
    assert distance(gradient, expected["loss_and_gradient:gradient"]) <= 1e-5
    total = float(np.load(tmp_path / "out/total_loss.npy"))
    assert total == pytest.approx(float(expected["loss_and_gradient:total_loss"]), rel=1e-6)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Compiles the C program; returns its path."""
    path = tmp_path_factory.mktemp("c") / "run_saved_model"
    library = tf.sysconfig.get_lib()
    subprocess.run(
        ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", TOOLS / "exports/run_saved_model.c",
         f"-I{tf.sysconfig.get_include()}", f"-L{library}", "-l:libtensorflow_cc.so.2",
         "-l:libtensorflow_framework.so.2", f"-Wl,-rpath,{library}", "-o", path],
        check=True,
    )  # fmt: skip
    return path


def run_in_c(program, folder, signature, inputs, outputs, tmp_path):
    """Runs the C program; returns the bytes of the outputs."""
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    tensors = model.meta_graphs[0].signature_def[signature]
    words = []
    for name, value in inputs.items():
        file = tmp_path / f"{name}.raw"
        file.write_bytes(value if isinstance(value, bytes) else value.tobytes())
        kind, shape = "string", [1]
        if not isinstance(value, bytes):
            kind, shape = {"float32": "float", "int32": "int32"}[value.dtype.name], value.shape
        sides = ",".join(map(str, shape))
        words += ["in", tensors.inputs[name].name, kind, sides, str(file)]
    for name in outputs:
        words += ["out", tensors.outputs[name].name, str(tmp_path / f"{outputs.index(name)}.out")]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([program, folder, *words], check=True, capture_output=True, env=environment)
    return [(tmp_path / f"{index}.out").read_bytes() for index in range(len(outputs))]


def test_a_c_program_computes_the_same_loss_and_gradient(
    program, folder, inputs, expected, tmp_path
):
    given = {name: inputs[name] for name in ("image", "content", "style")}
    names = ["total_loss", "gradient", "style_loss_block2_conv1"]
    found = run_in_c(program, folder, "loss_and_gradient", given, names, tmp_path)
    for name, data in zip(names, found, strict=True):
        value = np.asarray(expected[f"loss_and_gradient:{name}"])
        read = np.frombuffer(data, np.float32).reshape(value.shape)
        assert distance(read, value) <= 1e-5, name


def test_a_c_program_makes_the_same_picture(program, folder, inputs, expected_pixels, tmp_path):
    given = {
        "content_bytes": inputs["content_png"],
        "style_bytes": inputs["style_png"],
        "size": np.array([40], np.int32),
        "num_steps": np.array([5], np.int32),
        "content_weight": np.array([1.0], np.float32),
        "style_weight": np.array([4.5], np.float32),
        "tv_weight": np.array([0.25], np.float32),
    }
    (png,) = run_in_c(program, folder, "stylize_png", given, ["png_bytes"], tmp_path)
    assert np.abs(pixels_of(png).astype(int) - expected_pixels).max() <= 1


def test_the_command_line_saves_the_same_picture(model, inputs, tmp_path):
    for name in ("content", "style"):
        (tmp_path / f"{name}.png").write_bytes(inputs[f"{name}_png"])
    words = [f"--{name}={tmp_path / name}.png" for name in ("content", "style", "output")]
    words += [
        "--scales=none",
        "--steps=5",
        "--size=0",
        "--style_size=41",
        "--precision=float32",
        "--quiet",
    ]
    assert main.main(words) == 0
    (png,) = model.stylize_png(inputs["content_png"], inputs["style_png"], size=0)
    saved = np.asarray(Image.open(tmp_path / "output.png")).astype(int)
    assert np.abs(pixels_of(png) - saved).max() <= 1


def test_precomputed_targets_give_the_same_loss_and_gradient(model, inputs, expected):
    targets = model.targets(inputs["content"], inputs["style"])
    found = model.loss_and_gradient_from_targets(inputs["image"], targets)
    again = model.loss_and_gradient(inputs["image"], inputs["content"], inputs["style"])
    assert set(found) == set(again)
    for name, value in found.items():
        assert distance(value, again[name]) <= 1e-5, name


def test_a_batch_equals_its_pictures_one_by_one(model, inputs):
    contents = np.concatenate([inputs["content"], inputs["image"]])
    together = model.stylize(contents, inputs["style"], num_steps=[2, 5], style_weight=[9.0, 90.0])
    for index, options in enumerate([(2, 9.0), (5, 90.0)]):
        alone = model.stylize(
            contents[index : index + 1],
            inputs["style"],
            num_steps=options[0],
            style_weight=options[1],
        )
        for name, value in alone.items():
            np.testing.assert_allclose(value[0], together[name][index], atol=1e-4)


def test_png_and_jpeg_files_of_all_modes_are_read(model, inputs):
    colors = pixels(CONTENT, 1)
    alpha = np.full((*CONTENT, 1), 128, np.uint8)
    files = {
        "jpeg": file_of(colors, "JPEG"),
        "gray": file_of(colors[..., 0]),
        "palette": file_of(np.asarray(Image.fromarray(colors).quantize(8).convert("RGB"))),
        "alpha": file_of(np.concatenate([colors, alpha], -1)),
        "gray_alpha": file_of(np.concatenate([colors[..., :1], alpha], -1)),
    }
    found = model.stylize_png(list(files.values()), inputs["style_png"], num_steps=1)
    shapes = {name: pixels_of(png).shape for name, png in zip(files, found, strict=True)}
    assert shapes == {
        "jpeg": (30, 40, 3),
        "gray": (30, 40, 3),
        "palette": (30, 40, 3),
        "alpha": (30, 40, 4),
        "gray_alpha": (30, 40, 4),
    }
    assert (pixels_of(found[3])[..., 3] == 128).all()


def bomb():
    """Returns a PNG of a few bytes whose header claims 60,000 x 60,000 px."""
    return (
        file_of(pixels((4, 4), 0))[:16] + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02" + 9 * b"0"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"content_bytes": b"no picture"}, "`content_bytes` must be the bytes of a PNG or JPEG"),
        ({"style_bytes": b""}, "`style_bytes` must be the bytes of a PNG or JPEG"),
        ({"content_bytes": bomb()}, "`content_bytes` must have at most 100000 pixels"),
        ({"content_bytes": file_of(pixels((40, 40), 0))[:200]}, "PNG"),
        ({"size": 8}, "`size` must give sides of at least 16 px"),
        ({"size": 5000}, "`size` must give sides of at least 16 px and at most 100000 pixels"),
        ({"size": -3}, "`size` must lie within 0..30000"),
        ({"num_steps": 0}, "`num_steps` must lie within 1..10000"),
        ({"style_weight": -1.0}, "`style_weight` must lie within 0..1e.30"),
        ({"tv_weight": np.nan}, "`tv_weight` must lie within"),
        ({"num_steps": [1, 2, 3]}, "`num_steps` must have one value, or one for each content"),
    ],
    ids=str,
)
def test_errors_of_bad_requests_name_the_argument_and_the_rule(model, inputs, change, message):
    given = {
        "content_bytes": inputs["content_png"],
        "style_bytes": inputs["style_png"],
        "num_steps": 1,
        **change,
    }
    with pytest.raises(ValueError, match=message) as caught:
        model.stylize_png(**given)
    assert "\n" not in str(caught.value) and "node" not in str(caught.value)


PICTURE = np.zeros((1, 20, 20, 3), np.float32)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m: m.stylize_png(b"", b"", steps=2), "steps=2. Did you mean 'num_steps'?"),
        (lambda m: m.stylize(PICTURE, PICTURE, size=64), "call `stylize_png`"),
        (lambda m: m.stylize(PICTURE[0], PICTURE), "`content` must be RGB images [batch, height"),
        (lambda m: m.features("a.png"), "`image` must be an array or tensor of numbers"),
        (lambda m: m.targets(PICTURE[0], PICTURE), "`content` must be one image [1, height,"),
        (lambda m: m.stylize_png(b"", None), "`style_bytes` must be the bytes of a PNG or JPEG"),
        (lambda m: m.stylize_png(io.BytesIO(), b""), "Received: a BytesIO"),
        (lambda m: m.stylize_png([], b""), "Received: an empty list"),
        (lambda m: m.stylize_png(b"", b"", size=64.5), "`size` must be an integer, or a list"),
        (lambda m: m.stylize_png(b"", b"", size=10**30), "`size` must lie within"),
        (lambda m: m.stylize_png(b"", b"", num_steps=True), "`num_steps` must be an integer"),
        (lambda m: m.stylize_png(b"", b"", style_weight="4"), "`style_weight` must be a number"),
        (lambda m: m.stylize_png(b"", b"", tv_weight=[[1], [1, 2]]), "`tv_weight` must be a num"),
        (lambda m: m.loss_and_gradient_from_targets(PICTURE, {}), "of this model returned"),
        (lambda m: m.loss_and_gradient_from_targets(PICTURE, [PICTURE]), "Received: a list"),
    ],
)
def test_arguments_of_other_kinds_are_refused_in_one_line(model, call, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)) as caught:
        call(model)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_styles_that_do_not_match_the_contents_are_refused_in_one_line(model):
    contents, styles = np.zeros((3, 20, 20, 3)), np.zeros((2, 20, 20, 3))
    with pytest.raises(ValueError, match="`style` must have one value, or one for") as caught:
        model.stylize(contents, styles, num_steps=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG", "JPEG"])
def test_servers_answer_400_to_other_formats_and_damaged_files_and_name_the_row(
    served, inputs, kind
):
    data = file_of(pixels((40, 40), 0), kind)
    data = data[: len(data) // 2] if kind in ("PNG", "JPEG") else data
    rule = "whole, undamaged" if kind in ("PNG", "JPEG") else "bytes of a PNG or JPEG"
    signature, whole = served.signatures["stylize_png"], inputs["content_png"]
    given = {
        **signature.defaults,
        "content_bytes": np.array([whole, data], object),
        "style_bytes": np.array([whole], object),
        "num_steps": np.array([1], np.int32),
    }
    with pytest.raises(RequestError, match=rf"`content_bytes` must be .*{rule}") as caught:
        served.run(signature, given, timeout_s=60)
    assert caught.value.status == 400
    shown = {"WEBP": "WebP"}.get(kind, kind)
    assert f"Received: content_bytes[1]=a {shown} file of {len(data)} bytes." in str(caught.value)


def test_images_with_nan_are_refused(model, inputs):
    with pytest.raises(ValueError, match="`content` must have values of 0..1"):
        model.stylize(np.nan * inputs["content"], inputs["style"])


def test_a_loss_that_is_not_finite_is_an_error(inputs, mini_layers):
    layers = {name: (1e12 * kernel, bias) for name, (kernel, bias) in mini_layers.items()}
    config = settings(**SIMPLE)
    stylize = Signatures(make_problem(layers, config, "direct"), config, max_pixels=100_000).stylize
    with pytest.raises(tf.errors.InvalidArgumentError, match="is not finite"):
        stylize(inputs["content"], inputs["style"])


def test_images_of_0_to_255_are_refused(model, inputs):
    with pytest.raises(ValueError, match="`style` must have values of 0..1"):
        model.targets(inputs["content"], 255.0 * inputs["style"])


def test_an_image_must_have_the_size_of_the_content(model, inputs):
    with pytest.raises(ValueError, match="`image` must have the size of"):
        model.loss_and_gradient(image((40, 40), 0), inputs["content"], inputs["style"])


def test_stored_winograd_kernels_give_the_direct_numbers_in_every_call(
    inputs, mini_layers, monkeypatch, tmp_path, graph_rewriting
):
    config = settings(**SIMPLE)
    truth = objective(mini_layers, config)
    targets = truth.targets(inputs["content"], inputs["style"])
    image = tf.constant(inputs["image"])
    total, gradient = truth.value_and_gradient(image, targets)
    terms = named_terms(truth.terms(image, targets))
    expected = {**terms, "total_loss": total, "gradient": gradient}
    monkeypatch.setattr(winograd, "_MINIMUM_CHANNELS", 1)
    monkeypatch.setattr("tf_style.export.saved_model.arithmetic", lambda precision, **_: "winograd")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        tf_style.export_saved_model(tmp_path / "1", config=config)
    finally:
        keras.config.set_dtype_policy("float32")
    model = tf.saved_model.load(str(tmp_path / "1"))
    for _ in range(2):  # The first call computes the transformed kernels.
        found = model.loss_and_gradient(inputs["image"], inputs["content"], inputs["style"])
        for name, value in found.items():
            assert distance(value, expected[name]) <= 1e-4, name
    features = truth.extractor(image)
    for name, value in model.features(image).items():
        assert distance(value, features[name]) <= 1e-5, name


def test_a_model_records_how_it_was_made(folder, model):
    about = json.loads((folder / "assets/tf_style.json").read_text())
    assert about["software"] == f"tf_style {tf_style.__version__}"
    assert about["weights_sha256"] == model.weights_sha256 == "0" * 64
    assert model.config == settings()
    assert model.version == tf_style.__version__


def test_inputs_have_defaults_for_servers(folder):
    from tensorflow.core.protobuf import saved_model_pb2

    file = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signatures = file.meta_graphs[0].signature_def
    assert set(signatures) == {*NAMES, "serving_default", "__saved_model_init_op"}
    defaults = signatures["serving_default"].defaults
    values = {name: tf.make_ndarray(value).tolist() for name, value in defaults.items()}
    assert values == {
        "size": [40],
        "num_steps": [5],
        "content_weight": [1.0],
        "style_weight": [4.5],
        "tv_weight": [0.25],
    }
    kinds = {name: value.dtype for name, value in signatures["serving_default"].inputs.items()}
    assert kinds["content_bytes"] == kinds["style_bytes"] == tf.string.as_datatype_enum


@pytest.mark.parametrize("init", ["noise", "style"])
def test_starts_from_noise_or_style_match_the_command_line(init, inputs):
    config = settings(init=init, size=0)
    start = start_image(config, inputs["content"], inputs["style"])
    expected = prepare_inputs(inputs["content"], inputs["style"], config).start
    assert start.shape == expected.shape
    if init == "style":
        np.testing.assert_allclose(start, expected, atol=2e-6)
    else:  # Other random numbers, from the same distribution.
        assert float(tf.reduce_mean(start)) == pytest.approx(expected.mean(), abs=0.01)
        assert float(tf.math.reduce_std(start)) == pytest.approx(expected.std(), rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init": "start.png"}, "`init` must be one of 'content', 'style', 'noise' in a graph"),
        ({"time_budget": 5.0}, "Cannot use `time_budget`"),
        (
            {"color": "match"},
            "Cannot use `color` in a graph.*Leave it out, and change the pictures",
        ),
        ({"jit_compile": "loop"}, "Cannot use `jit_compile` in a graph"),
        ({"style_scales": "1,0.5"}, "Cannot use `style_scales` in a graph"),
        ({"regions": "auto"}, "Cannot use `regions` in a graph"),
        ({"photorealistic": True}, "Cannot use `photorealistic` in a graph"),
        ({"protect": "faces"}, "Cannot use `protect` in a graph"),
        ({"deterministic": True}, "Cannot export `deterministic`.*enable_op_determinism"),
    ],
)
def test_options_that_a_graph_cannot_honor_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        tf_style.export_saved_model(tmp_path / "model", config=settings(**options))
    assert not list(tmp_path.iterdir())


def test_a_folder_with_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="`output_dir` must be a new or an empty folder"):
        tf_style.export_saved_model(tmp_path, config=settings())
    with pytest.raises(NotADirectoryError, match="`output_dir` must be a folder"):
        tf_style.export_saved_model(tmp_path / "mine.txt", config=settings())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "no space left")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="`output_dir` cannot be written: .*no space left"):
        tf_style.export_saved_model(tmp_path / "a" / "1", config=settings())
    assert not list((tmp_path / "a").iterdir())


def test_other_or_damaged_models_are_not_loaded(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="`path` must be an existing folder"):
        tf_style.load(tmp_path / "none")
    with pytest.raises(ValueError, match="`path` must be a folder that `tf_style export` wrote"):
        tf_style.load(tmp_path)
    shutil.copytree(folder, tmp_path / "copy")
    about = json.loads((folder / "assets/tf_style.json").read_text())
    for text in ("{}", "[" * 100_000, "[]", json.dumps({**about, "software": ""})):
        (tmp_path / "copy/assets/tf_style.json").write_text(text)
        with pytest.raises(ValueError, match="that `tf_style export` wrote"):
            tf_style.load(tmp_path / "copy")


def test_the_command_passes_its_flags_on(tmp_path, monkeypatch, capsys):
    asked = []

    def record(output_dir, **options):
        asked.append((output_dir, options))
        return Exported(path=tmp_path, signatures=NAMES, num_bytes=7, weights_sha256="")

    monkeypatch.setattr("tf_style.export.saved_model.export_saved_model", record)
    words = ["export", "--output_dir=models/3", "--preset=pastiche", "--steps=7"]
    assert main.main([*words, "--size=64", "--style_weight=5", "--for_gpu"]) == 0
    assert "stylize_png" in capsys.readouterr().out
    ((output, options),) = asked
    config = tf_style.preset("pastiche").replace(steps=7, size=64, style_weight=5.0)
    assert (output, options["config"], options["for_gpu"]) == ("models/3", config, True)
    assert main.main([*words, "--format=stablehlo", "--portable"]) == 2
    assert "Cannot use `portable`" in capsys.readouterr().err
    assert main.main([*words, "--file_precision=int8"]) == 2
    assert "Cannot use `file_precision` with saved_model" in capsys.readouterr().err
    (tmp_path / "mine.json").write_text(tf_style.preset("pastiche").replace(steps=9).to_json())
    file = tmp_path / "mine.json"
    assert main.main(["export", "--output_dir=models/4", f"--config={file}", "--size=80"]) == 0
    assert asked[-1][1]["config"] == tf_style.preset("pastiche").replace(steps=9, size=80)
    assert main.main(["export"]) == 2
    assert "`output_dir` must be given" in capsys.readouterr().err
    assert main.main(["export", "--help"]) == 0
    assert "--max_pixels" in capsys.readouterr().out


def test_with_scales_the_number_of_steps_is_no_input(mini_layers):
    config = settings(scales="0.5:2,1:3")
    problem = make_problem(mini_layers, config, "direct")
    names = Signatures(problem, config, max_pixels=100_000).stylize.function_spec.arg_names
    assert "num_steps" not in names
    assert "style_weight" in names


@pytest.mark.parametrize("kind", ["direct", "bfloat16"])
def test_features_in_other_arithmetics_are_close(kind, inputs, mini_layers, expected):
    config = settings()
    problem = make_problem(mini_layers, config, kind)
    found = Signatures(problem, config, max_pixels=100_000).features(inputs["image"])
    limit = {"direct": 1e-6, "bfloat16": 0.03}[kind]
    for name, value in found.items():
        assert distance(value, expected[f"features:{name}"]) <= limit


def test_small_pictures_of_a_batch_are_those_of_single_calls(model, rng):
    contents = rng.random((3, *CONTENT, 3), np.float32)
    styles = rng.random((3, *STYLE, 3), np.float32)
    options = {"num_steps": [2, 4, 3], "style_weight": [4.5, 9.0, 1.0]}
    found = model.stylize(contents, styles, **options)
    for row in range(3):
        own = {name: values[row] for name, values in options.items()}
        alone = model.stylize(contents[row : row + 1], styles[row : row + 1], **own)
        # Rounding differs, and steps enlarge it.
        np.testing.assert_allclose(found["image"][row], alone["image"][0], atol=5e-3)
        assert float(found["loss"][row]) == pytest.approx(float(alone["loss"][0]), rel=1e-3)
        assert int(found["num_steps"][row]) == options["num_steps"][row]
        assert int(found["num_evaluations"][row]) == int(alone["num_evaluations"][0])


def test_files_of_any_sizes_keep_their_order_alpha_and_options(model):
    sizes = [(36, 48), (36, 48), (30, 48), (36, 48), (72, 96)]
    contents = [file_of(pixels(size, seed)) for seed, size in enumerate(sizes)]
    alpha = np.full((36, 48, 1), 200, np.uint8)
    contents[1] = file_of(np.concatenate([pixels((36, 48), 1), alpha], -1))
    styles = [file_of(pixels((30 + 2 * row, 40), row)) for row in range(5)]
    options = {"num_steps": [2, 3, 1, 2, 2], "size": [0, 0, 0, 0, 48]}
    found = model.stylize_png(contents, styles, **options)
    for row, (content, style) in enumerate(zip(contents, styles, strict=True)):
        own = {name: values[row] for name, values in options.items()}
        (alone,) = model.stylize_png(content, style, **own)
        images = [np.asarray(Image.open(io.BytesIO(data))) for data in (found[row], alone)]
        assert images[0].shape == images[1].shape
        assert np.abs(images[0].astype(int) - images[1]).max() <= 2
    assert np.asarray(Image.open(io.BytesIO(found[1]))).shape == (36, 48, 4)


def test_a_batch_is_refused_where_one_image_is_taken(model, rng):
    images = rng.random((3, *CONTENT, 3), np.float32)
    for call in (model.loss_and_gradient, lambda *images: model.targets(*images[:2])):
        with pytest.raises(ValueError, match=r"must be one image \[1, height, width, 3\]. Receiv"):
            call(images, images, images)


def test_a_model_without_total_variation_lets_clients_ask_for_it(inputs, mini_layers):
    default, without = settings(**SIMPLE), settings(tv_weight=0.0, **SIMPLE)
    made = [
        Signatures(make_problem(mini_layers, measured(each), "direct"), each, max_pixels=10_000)
        for each in (default, without)
    ]
    image, content, style = (tf.constant(inputs[name]) for name in ("image", "content", "style"))
    found = made[1].loss_and_gradient(image, content, style)
    assert float(found["variation_loss"]) == 0.0
    pictures = [
        each.stylize(content, style, tv_weight=tf.constant([0.25]))["image"] for each in made
    ]
    np.testing.assert_array_equal(*pictures)


def test_the_warm_up_requests_of_an_export_run(folder, served):
    (path,) = (folder / "assets.extra").iterdir()
    assert path.name == "tf_serving_warmup_requests"
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record)
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    requests = [log.predict_log.request for log in logs]
    assert {r.model_spec.signature_name for r in requests} == {*NAMES, "serving_default"}
    for request in requests:
        signature = served.signatures[request.model_spec.signature_name]
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        assert inputs.keys() == signature.inputs.keys()  # TensorFlow Serving needs all of them.
        outputs = served.run(signature, inputs, timeout_s=60)
        assert outputs.keys() == signature.outputs.keys()


def test_the_default_signature_is_not_prepared_twice(served):
    assert served._functions["serving_default"] is served._functions["stylize_png"]


def test_tensorflow_alone_takes_lists_and_gives_a_dict(folder, model, inputs):
    alone = tf.saved_model.load(str(folder))
    files = inputs["content_png"], inputs["style_png"]
    (expected,) = model.stylize_png(*files, size=40)
    found = alone.stylize_png(*([file] for file in files), size=[40])  # Options left out.
    assert found["png_bytes"].numpy().tolist() == [expected]
    with pytest.raises(TypeError):
        alone.stylize_png(*files, size=40)
