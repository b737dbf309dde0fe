"""Exported style networks, run in their own runtimes, against the Keras model."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tiny_style_network import TINY, make_tiny_network

import tf_style
from tf_style.cli import main
from tf_style.feedforward import load
from tf_style.feedforward.network_file import write_network
from tf_style.portable import conversion, network
from tf_style.portable.network import export_network

# 2026-11: keras 3.15 on numpy 2.4.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NETWORK = make_tiny_network("calm", "wild")
STEP = 1.0 / 255.0
LIMITS = {"float32": 0.01 * STEP, "float16": STEP, "int8": 12 * STEP}
"""The largest differences of a picture; the tiny network has few filters to average errors."""


def run(made, content):
    return conversion.FORMATS[made.format].run(made.path, {"content": content})["image"]


@pytest.mark.parametrize("kind", ["litert", "onnx"])
@pytest.mark.parametrize("precision", LIMITS)
def test_a_file_paints_as_keras_at_any_size(kind, precision, tmp_path, rng, capfd):
    made = export_network(
        tmp_path / "out",
        network=NETWORK,
        style="wild",
        format=kind,
        file_precision=precision,
    )
    assert capfd.readouterr() == ("", "")
    assert made.path == tmp_path / "out" / f"paint_{precision}{made.path.suffix}"
    painter = load(NETWORK, style="wild")
    for size in ((1, 45, 38, 3), (1, 40, 64, 3)):
        content = rng.uniform(size=size).astype("float32")
        gap = np.abs(run(made, content) - painter(content)).max()
        assert gap <= LIMITS[precision]
    about = json.loads((tmp_path / "out/tf_style.json").read_text())
    assert about["style"] == "wild"
    assert about["network"]["styles"] == ["calm", "wild"]
    (file,) = about["files"]
    assert file["bytes"] == made.path.stat().st_size == made.num_bytes
    assert file["relative_differences_from_tensorflow"]["image"] == made.relative


def test_litert_needs_no_operations_of_tensorflow_and_onnx_has_batches(tmp_path, rng):
    sides = {"height": 44, "width": 60}
    lite = export_network(tmp_path / "lite", network=NETWORK, format="litert", **sides)
    interpreter = Interpreter(str(lite.path))
    assert interpreter.get_input_details()[0]["shape"].tolist() == [1, 44, 60, 3]
    names = {each["op_name"] for each in interpreter._get_ops_details()}
    assert {"CONV_2D", "TRANSPOSE_CONV", "MIRROR_PAD"} < names
    assert not any(name.startswith("Flex") or name == "CUSTOM" for name in names)

    made = export_network(tmp_path / "onnx", network=NETWORK, format="onnx")
    graph = onnx.load(made.path).graph
    shape = graph.input[0].type.tensor_type.shape.dim
    assert [side.dim_param for side in shape[1:3]] == ["height", "width"]
    content = rng.uniform(size=(3, 30, 41, 3)).astype("float32")
    np.testing.assert_allclose(run(made, content), load(NETWORK)(content), atol=1e-5)


def test_a_blend_is_a_style_of_its_own(tmp_path, rng):
    blend = "calm:1,wild:3"
    made = export_network(tmp_path / "out", network=NETWORK, style=blend, format="litert")
    content = rng.uniform(size=(1, 40, 48, 3)).astype("float32")
    np.testing.assert_allclose(run(made, content), load(NETWORK, style=blend)(content), atol=1e-5)


def test_a_file_that_paints_something_else_is_refused_and_removed(tmp_path, monkeypatch):
    other = make_tiny_network("calm", seed=5)
    monkeypatch.setattr(network, "pass_variables", lambda _: network_variables(other))
    with pytest.raises(conversion.ConversionError, match="differ from TensorFlow's: image by"):
        export_network(tmp_path / "out", network=NETWORK, format="litert")
    assert not list(tmp_path.iterdir())


def network_variables(other):
    names = (*TINY.kernels, "bias")
    return {name: tf.Variable(other.parameters[name]) for name in names}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"style": "loud"}, "`style` must be one of 'calm', 'wild'"),
        ({"format": "tflite"}, "`format` must be one of 'saved_model', 'litert', 'onnx'"),
        ({"format": "saved_model", "file_precision": "int8"}, "Cannot use `file_precision`"),
        ({"format": "litert", "precision": "bfloat16"}, "Cannot use `precision`"),
        ({"precision": "int8"}, "`precision` must be one of 'float32', 'bfloat16'"),
        ({"format": "onnx", "height": 64}, "`height` and `width` must be given together"),
        ({"format": "onnx", "height": 64, "width": 8}, "`width` must lie within 28"),
        ({"local_contrast": 2.0}, "`local_contrast` must lie within 0..1"),
        ({"network": NETWORK._replace(styles={})}, "`network` must have a style"),
    ],
)
def test_wrong_options_are_named_and_nothing_is_written(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_network(tmp_path / "out", **{"network": NETWORK, **options})
    assert not list(tmp_path.iterdir())


def test_the_command_exports_a_network(tmp_path, capsys):
    write_network(tmp_path / "a.tfstyle", NETWORK)
    words = ["export", f"--network={tmp_path / 'a.tfstyle'}", "--style=wild"]
    options = ["--format=litert", "--file_precision=float16"]
    assert main.main([*words, *options, str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert f"Saved {tmp_path / 'out' / 'paint_float16.tflite'}: 0.0 MB, within " in printed
    assert "steps of 8 bits)" in printed


def test_the_command_exports_a_network_that_raises_no_contrasts(tmp_path, rng):
    write_network(tmp_path / "a.tfstyle", NETWORK)
    words = ["export", "--format=onnx"]
    cells = rng.uniform(0.4, 0.6, size=(1, 3, 3, 3)).astype(np.float32)
    content, found = cells.repeat(16, 1).repeat(16, 2), []
    write_network(tmp_path / "calm.tfstyle", NETWORK.with_local_contrast(0.0))
    asked = (("raised", "a", []), ("plain", "a", ["--local_contrast=0"]), ("calm", "calm", []))
    for name, file, options in asked:
        more = [f"--network={tmp_path / file}.tfstyle", *options]
        assert main.main([*words, *more, str(tmp_path / name)]) == 0
        session = onnxruntime.InferenceSession(tmp_path / name / "paint_float32.onnx")
        found.append(session.run(None, {"content": content})[0])
    stored = str(tmp_path / "a.tfstyle")
    np.testing.assert_allclose(found[0], load(stored)(content), atol=1e-5)
    for each in found[1:]:
        np.testing.assert_allclose(each, load(stored, local_contrast=0.0)(content), atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-3


@pytest.mark.parametrize(
    "words, message",
    [
        (["--network=default", "--portable"], "Cannot use `portable` with `network`"),
        (["--network=default", "--portable"], "it is an option of other exports"),
        (["--network=default", "--for_gpu"], "it is an option of other exports"),
        (["--network=default", "--signatures=features"], "it is an option of other exports"),
        (["--network=default", "--steps_per_call=3"], "it is an option of other exports"),
        (["--network=default", "--steps=3"], "Cannot use `steps` with `network`"),
        (["--network=default", "--steps=3"], "it is an option of the optimizer"),
        (["--network=none.tfstyle", "--precision=auto"], "`network` must be an existing file"),
        (["--network=default", "--height=64", "--width=64"], "applies only to litert, onnx"),
        (["--network=default", "--format=onnx", "--precision=bfloat16"], "only to saved_model"),
        (["--network=default", "--format=stablehlo"], "`format` must be one of"),
        (["--network=none.tfstyle"], "`network` must be an existing file"),
        (["--network=default", "--local_contrast=2"], "`local_contrast` must lie within 0..1"),
        (["--style=wild"], "Cannot use `style` without `network`"),
        (["--local_contrast=0"], "Cannot use `local_contrast` without `network`"),
        (["--local_contrast=0.2"], "Cannot use `local_contrast` without `network`"),
    ],
)
def test_flags_that_do_not_go_together_are_told(words, message, tmp_path, capsys):
    assert main.main(["export", f"--output_dir={tmp_path / 'out'}", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_loader_of_other_exports_says_what_it_is(tmp_path):
    export_network(tmp_path / "1", network=NETWORK)
    with pytest.raises(ValueError, match=r"a style network, which tf.saved_model.load loads"):
        tf_style.load(tmp_path / "1")
