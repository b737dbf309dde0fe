"""Converted files, run in their own runtimes, against automatic differentiation in TensorFlow."""

import json
import sys

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from tf_style import vgg19
from tf_style.cli import main
from tf_style.config.style_config import StyleConfig
from tf_style.export.options import FORMAT_NAMES, PRECISION_NAMES, SIGNATURES, PortableOptions
from tf_style.export.tensor_names import named_targets, named_terms
from tf_style.network import extractor
from tf_style.network.extractor import build_extractor
from tf_style.network.weights import Weights, normalize
from tf_style.objective.objective import Objective
from tf_style.portable import comparison, conversion

SHALLOW = StyleConfig().replace(content_layers="conv2_2", style_layers="conv1_1,pool2")
"""Few layers, as the time of a conversion grows with their number."""
GRADIENT = "loss_and_gradient_from_targets"
SIZES = [(33, 46), (40, 32)]  # Other sizes than in the check on export.


def layers_of(mini_layers, channels=None):
    """Returns the small network, or one wide enough that its kernels are stored rounded."""
    if channels is None:
        return mini_layers
    rng = np.random.default_rng(11)
    layers, before = {}, 3
    for name in mini_layers:
        kernel = rng.normal(0.0, np.sqrt(2.0 / (9 * before)), (3, 3, before, channels))
        bias = rng.uniform(0.0, 0.5, channels)
        layers[name] = (kernel.astype(np.float32), bias.astype(np.float32))
        before = channels
    return layers


class World:
    """A network to export, and its reference values by automatic differentiation."""

    def __init__(self, layers):
        self.layers = layers
        self.means = {name: np.full(len(bias), 2.0) for name, (_, bias) in layers.items()}

    def export(self, folder, config=None, **choice):
        with pytest.MonkeyPatch.context() as patch:
            weights = Weights(self.layers, "0" * 64)
            patch.setattr(conversion, "load_weights", lambda name, notify=None: weights)
            patch.setattr(extractor, "mean_activations", lambda: self.means)
            return conversion.export_portable(
                folder, config=config, options=PortableOptions(**choice)
            )

    def objective(self, config):
        layers = self.layers
        if config.network.normalized:
            layers = normalize(layers, self.means)
        kind = {"pooling": config.network.pooling, "padding": config.network.padding}
        return Objective(build_extractor(layers, layers=config.loss.layers, **kind), config.loss)

    def truth(self, config, signature, size, rng):
        """Returns inputs by name, and the outputs that automatic differentiation gives for them."""
        tf.config.run_functions_eagerly(True)  # Tracing would take most of the time.
        try:
            return self._truth(config, signature, size, rng)
        finally:
            tf.config.run_functions_eagerly(False)

    def _truth(self, config, signature, size, rng):
        image, content, style = (
            tf.constant(rng.uniform(size=(1, *each, 3)).astype(np.float32))
            for each in (size, size, (45, 39))
        )
        objective = self.objective(config)
        pair = {"content": content.numpy(), "style": style.numpy()}
        if signature == "features":
            return {"image": image.numpy()}, objective.extractor(image)
        targets = objective.targets(content, style)
        flat = named_targets(targets)
        if signature == "targets":
            return pair, flat
        terms = named_terms(objective.terms(image, targets))
        _, gradient = objective.value_and_gradient(image, targets)
        inputs = {"image": image, **(pair if signature == "loss_and_gradient" else flat)}
        inputs = {name: np.asarray(array) for name, array in inputs.items()}
        return inputs, {**terms, "gradient": gradient}


@pytest.fixture(scope="module")
def small(mini_layers):
    return World(mini_layers)


def check(world, config, made, rng, limit, sizes=SIZES[:1]):
    """Runs the files on pictures of these sizes, and compares the outputs with the truth."""
    for file in made:
        for size in sizes:
            inputs, expected = world.truth(config, file.signature, size, rng)
            found = conversion.FORMATS[file.format].run(file.path, inputs)
            assert set(found) == set(expected)
            for name, array in found.items():
                assert array.shape == expected[name].shape
                gap = np.linalg.norm(array - expected[name])
                assert gap <= limit * np.linalg.norm(expected[name]), (file.signature, name)


@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_every_function_matches_tensorflow_at_any_size(kind, small, tmp_path, rng, capfd):
    made = small.export(tmp_path / "out", SHALLOW, format=kind)
    assert capfd.readouterr() == ("", "")
    assert [file.signature for file in made] == list(SIGNATURES)
    for file in made:
        assert file.relative < 1e-4
        inside = [path for path in [file.path, *file.path.rglob("*")] if path.is_file()]
        assert file.num_bytes == sum(path.stat().st_size for path in inside) > 0
    check(small, SHALLOW, made, rng, 1e-4, SIZES)


@pytest.mark.parametrize("kind", ["litert", "onnx"])
@pytest.mark.parametrize(
    "choice",
    [
        {
            "pooling": "max",
            "padding": "reflect_all",
            "tv_form": "nine_point",
            "content_layers": "conv2_1",
            "style_layers": "conv1_1,pool1",
        },
        {
            "style_loss": "wasserstein",
            "content_layers": "conv2_1",
            "style_layers": "conv1_1",
            "content_reduction": "sum",
            "tv_weight": 0.0,  # Makes the variation loss a constant.
        },
    ],
)
def test_every_kind_of_objective_converts(kind, choice, small, tmp_path, rng):
    config = SHALLOW.replace(**choice)
    made = small.export(tmp_path / "out", config, format=kind, signatures=GRADIENT)
    check(small, config, made, rng, 1e-3)


@pytest.mark.parametrize("kind", ["litert", "onnx"])
def test_float16_and_int8_weights_make_smaller_files(kind, mini_layers, tmp_path, rng):
    wide = World(layers_of(mini_layers, 32))
    sizes = {}
    for precision in PRECISION_NAMES:
        (made,) = wide.export(
            tmp_path / precision,
            SHALLOW,
            format=kind,
            precision=precision,
            signatures="features",
        )
        sizes[precision] = made.num_bytes
        limit = {"float32": 1e-5, "float16": 2e-3, "int8": 5e-2}[precision]
        check(wide, SHALLOW, [made], rng, limit)
    assert sizes["float16"] < 0.65 * sizes["float32"]
    assert sizes["int8"] < 0.4 * sizes["float32"]


@pytest.mark.parametrize(
    "kind, precision, limit",
    [("litert", "float16", 0.03), ("litert", "int8", 0.2), ("onnx", "int8", 0.2)],
)
def test_gradients_with_rounded_weights_are_close(
    kind, precision, limit, mini_layers, tmp_path, rng
):
    wide = World(layers_of(mini_layers, 32))
    choice = {"format": kind, "precision": precision, "signatures": GRADIENT}
    check(wide, SHALLOW, wide.export(tmp_path / "out", SHALLOW, **choice), rng, limit)


def test_onnx_names_the_open_sides(small, tmp_path):
    made = small.export(tmp_path / "out", SHALLOW, format="onnx")
    found = {}
    for each in made:
        session = onnxruntime.InferenceSession(each.path, providers=["CPUExecutionProvider"])
        for tensor in (*session.get_inputs(), *session.get_outputs()):
            assert not any(str(side).startswith("unk") for side in tensor.shape)
            if len(tensor.shape) == 4:
                found.setdefault(tensor.name, set()).add(tuple(tensor.shape[1:3]))
    whole = ("height", "width")
    assert all(found[name] == {whole} for name in ("image", "content", "gradient"))
    assert found["style"] == {("style_height", "style_width")}
    layer = vgg19.canonical_layer(SHALLOW.loss.content_layers[0][0], argument="layers")
    of_layer = {(f"{layer}_height", f"{layer}_width")}
    assert found[layer] == found[f"content_{layer}"] == of_layer


def test_onnx_float16_rounds_only_the_kernels(mini_layers, tmp_path, rng):
    config = SHALLOW.replace(normalized=False)
    wide = World(layers_of(mini_layers, 32))
    choice = {"format": "onnx", "precision": "float16", "signatures": GRADIENT}
    made = wide.export(tmp_path / "out", config, **choice)
    rounded = {
        name: (kernel.astype(np.float16).astype(np.float32), bias)
        for name, (kernel, bias) in wide.layers.items()
    }
    check(World(rounded), config, made, rng, 1e-4)


def test_onnx_int8_rounds_to_255_levels_for_each_filter(mini_layers, tmp_path, rng):
    config = SHALLOW.replace(normalized=False)
    wide = World(layers_of(mini_layers, 32))
    made = wide.export(
        tmp_path / "out", config, format="onnx", precision="int8", signatures="features"
    )
    rounded = {}
    for name, (kernel, bias) in wide.layers.items():
        filters = kernel.copy()
        for index in range(filters.shape[-1]):
            step = np.abs(filters[..., index]).max() / np.float32(127)
            filters[..., index] = np.rint(filters[..., index] / step) * step
        rounded[name] = (filters, bias)
    check(World(rounded), config, made, rng, 1e-4)


@pytest.mark.parametrize("kind", ["litert", "onnx"])
def test_the_error_of_a_failed_conversion_quotes_the_converter(kind, small, tmp_path, capfd):
    config = SHALLOW.replace(style_loss="wasserstein")
    message = "`targets` cannot be converted to .* The converter says: .*SelfAdjointEigV2"
    with pytest.raises(conversion.ConversionError, match=message) as error:
        small.export(tmp_path / "out", config, format=kind, signatures="targets")
    assert len(str(error.value)) < 800
    assert "Leave it out of `signatures`" in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_file_with_wrong_outputs_is_refused(small, tmp_path, monkeypatch):
    whole = conversion.FORMATS["saved_model"]

    def off(path, inputs):
        return {name: 1.02 * array for name, array in whole.run(path, inputs).items()}

    monkeypatch.setitem(conversion.FORMATS, "saved_model", whole._replace(run=off))
    with pytest.raises(conversion.ConversionError, match="differ from TensorFlow's: .* by 0.02"):
        small.export(tmp_path / "out", SHALLOW, signatures="features")
    nothing = whole._replace(run=lambda path, inputs: {})
    monkeypatch.setitem(conversion.FORMATS, "saved_model", nothing)
    with pytest.raises(conversion.ConversionError, match="its outputs have other shapes"):
        small.export(tmp_path / "out", SHALLOW, signatures="features")
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_outputs_that_are_not_finite_is_refused(small, tmp_path, monkeypatch):
    whole = conversion.FORMATS["saved_model"]

    def broken(path, inputs):
        return {name: array * np.nan for name, array in whole.run(path, inputs).items()}

    monkeypatch.setitem(conversion.FORMATS, "saved_model", whole._replace(run=broken))
    with pytest.raises(conversion.ConversionError, match="differ from TensorFlow's"):
        small.export(tmp_path / "out", SHALLOW, signatures="features")


def test_a_saved_model_has_one_signature(small, tmp_path):
    for file in small.export(tmp_path / "out", SHALLOW, signatures="features,targets"):
        loaded = tf.saved_model.load(str(file.path))
        assert list(loaded.signatures) == ["serving_default"]


def test_the_folder_describes_its_files(small, tmp_path):
    config = SHALLOW.replace(style_weight=123.0)
    notes = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            conversion, "load_weights", lambda name, notify: Weights(small.layers, "ab" * 32)
        )
        patch.setattr(extractor, "mean_activations", lambda: small.means)
        made = conversion.export_portable(
            tmp_path / "out",
            config=config,
            options=PortableOptions(signatures="loss_and_gradient"),
            notify=notes.append,
        )
    (file,) = made
    description = json.loads((tmp_path / "out" / "tf_style.json").read_text())
    assert StyleConfig.from_dict(description["config"]) == config
    assert description["weights_sha256"] == "ab" * 32
    (entry,) = description["files"]
    assert entry["file"] == file.path.name
    assert entry["bytes"] == file.num_bytes
    assert entry["inputs"] == {name: [1, None, None, 3] for name in ("image", "content", "style")}
    assert entry["outputs"]["gradient"] == [1, None, None, 3]
    assert entry["outputs"]["total_loss"] == []
    assert notes == ["Converting 'loss_and_gradient' (saved_model, float32)"]


@pytest.mark.parametrize(
    "kind, package, extra",
    [
        ("litert", "ai_edge_litert.interpreter", "litert"),
        ("onnx", "onnx", "onnx"),
        ("onnx", "tf2onnx.convert", "onnx"),
        ("onnx", "onnxruntime", "onnx"),
    ],
)
def test_a_missing_package_is_reported_before_any_work(
    kind, package, extra, small, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"pip install 'tf-style\[{extra}\]'"):
        small.export(tmp_path / "out", format=kind)
    assert main.main(["export", f"--output_dir={tmp_path}/out", f"--format={kind}"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_full_folder_is_left_alone(small, tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(FileExistsError, match="`output_dir` must be a new or an empty folder"):
        small.export(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_invalid_options_are_refused():
    with pytest.raises(ValueError, match="`format` must be one of .* Did you mean 'onnx'"):
        PortableOptions(format="onx")
    with pytest.raises(ValueError, match="Cannot use `precision` with `format='saved_model'`"):
        PortableOptions(precision="int8")
    with pytest.raises(ValueError, match="`precision` must be one of 'float32', 'float16', 'int8'"):
        PortableOptions(format="onnx", precision="bfloat16")
    with pytest.raises(ValueError, match="`signatures` must be one of .* Did you mean 'features'"):
        PortableOptions(signatures="feature")
    with pytest.raises(ValueError, match="`signatures` must name at least one function"):
        PortableOptions(signatures=" , ")
    assert PortableOptions(signatures="targets, features").names == ("features", "targets")


def test_the_tables_have_the_options_names():
    assert tuple(conversion.FORMATS) == FORMAT_NAMES
    assert tuple(comparison.LARGEST_DIFFERENCES) == PRECISION_NAMES
