"""Compiles StableHLO programs with JAX 0.10 or later; needs nothing of TensorFlow or tf_style.

Takes the files of `tf_style export --format=stablehlo`; gives functions from arrays by name to
arrays by name. XLA's tuner is kept quick, and compiled programs are kept on disk. Call `start`
before anything else imports JAX:

    device = stablehlo_jax.start()
    names = stablehlo_jax.described(folder)["stylize"]
    stylize = stablehlo_jax.compiled(folder / "stylize.mlir", names, "TF32")
    weights = stablehlo_jax.on_device(folder / "weights.npz", device)
    image = stylize.execute({**weights, "content": content, "style": style})["image"]
"""

import dataclasses
import functools
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ABOUT = "tf_style.json"
GIB = 2**30

_WORKSPACE = 2048  # MiB
_TUNING = {
    "xla_gpu_autotune_level": 1,  # Times algorithms, but neither fills nor compares their buffers.
    "xla_gpu_redzone_scratch_max_megabytes": _WORKSPACE,  # Newer versions have no such option.
}
_ENVIRONMENT = {
    "CUDNN_CONV_WSCAP_DBG": str(_WORKSPACE),  # cuDNN's own limit of workspaces.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # Otherwise JAX takes 75 % of the GPU's memory.
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
_ARTIFACT_VERSION = "1.0.0"  # Of StableHLO; all versions of JAX in use read it.
_WITH_ALL_BITS = {
    "float32": ("stablehlo.convolution", "stablehlo.dot_general"),
    "TF32": (),
    "TF32-convolutions": ("stablehlo.dot_general",),
}
PRECISIONS = tuple(_WITH_ALL_BITS)
"""Of float32 products: all bits, or on GPUs TF32, in all of them or only in convolutions."""
_HIGHEST = "[#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]"


class Compiled(NamedTuple):
    """A compiled program.

    Attributes:
        arguments: shape and dtype of each argument, by name.
        execute: maps arrays by name to the results by name; extra arrays are ignored.
        dispatch: the same, without waiting for the results.
        seconds: what compilation took, or loading it from disk.
        num_bytes: memory for arguments, results and temporary values, as XLA plans it.
    """

    arguments: dict[str, Any]
    execute: Callable[[dict[str, Any]], dict[str, Any]]
    dispatch: Callable[[dict[str, Any]], dict[str, Any]]
    seconds: float
    num_bytes: int


def start(cache: Path | None = None) -> Any:
    """Returns the first device of JAX, once it is set up for these programs.

    Args:
        cache: folder for compiled programs; `JAX_COMPILATION_CACHE_DIR` or one in the user's home
            folder if omitted. Only you may be able to write to it: JAX runs what it finds there.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import jax

    chosen = cache or os.environ.get("JAX_COMPILATION_CACHE_DIR")
    jax.config.update(
        "jax_compilation_cache_dir", str(chosen or Path.home() / ".cache/tf_style/jax")
    )
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    jax.config.update("jax_enable_x64", True)  # Programs may have arguments in float64.
    return jax.devices()[0]


def versions() -> str:
    """Returns the version of JAX, in words."""
    import jax

    return f"jax {jax.__version__}"


def described(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Returns the names of the arguments and results of each program in a folder, in order."""
    return json.loads((folder / ABOUT).read_text(encoding="utf-8"))["programs"]


def on_device(path: Path, device: Any) -> dict[str, Any]:
    """Returns the arrays of an .npz file, on the device."""
    import jax

    # NumPy has no bfloat16 and stores its two bytes without a type.
    arrays = {
        name: array.view(jax.numpy.bfloat16) if array.dtype == np.dtype("V2") else array
        for name, array in np.load(path).items()
    }
    return jax.device_put(arrays, device)


def compiled(path: Path, names: dict[str, list[str]], precision: str) -> Compiled:
    """Compiles a program, or loads it if it was compiled before on such a machine.

    Args:
        path: the program's file.
        names: of its arguments and results, in order.
        precision: of float32 products, one of `PRECISIONS`. Only GPUs have TF32.

    Raises:
        ValueError: on another precision.
    """
    import jax

    if precision not in PRECISIONS:
        raise ValueError(
            f"`precision` must be one of {', '.join(PRECISIONS)}. Received: {precision!r}."
        )

    began = time.perf_counter()
    exported = _exported(path.read_bytes(), precision)
    lowered = jax.jit(exported.call).lower(*exported.in_avals)
    program = lowered.compile(compiler_options=_known_options())
    plan = program.memory_analysis()
    num_bytes = sum(
        getattr(plan, f"{part}_size_in_bytes") for part in ("argument", "output", "temp")
    )

    def dispatch(given: dict[str, Any]) -> dict[str, Any]:
        results = program(*(given[name] for name in names["arguments"]))
        return dict(zip(names["results"], results, strict=True))

    def execute(given: dict[str, Any]) -> dict[str, Any]:
        return jax.block_until_ready(dispatch(given))

    arguments = dict(zip(names["arguments"], exported.in_avals, strict=True))
    return Compiled(arguments, execute, dispatch, time.perf_counter() - began, num_bytes)


def timed(function: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """Returns the result, and the median milliseconds of `repeats` runs after a first one."""
    result, times = function(), []
    for _ in range(repeats):
        began = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - began)
    return result, 1e3 * statistics.median(times)


def _exported(data: bytes, precision: str) -> Any:
    """Returns a program as a `jax.export.Exported`: the public way to JAX's cache on disk."""
    import jax
    from jax.extend.mlir import (
        deserialize_portable_artifact,
        ir,
        serialize_portable_artifact,
    )
    from jax.interpreters import mlir

    with mlir.make_ir_context() as context:
        module = ir.Module.parse(data)
        if module.body.operations[0].operation.name.startswith("vhlo."):
            module = deserialize_portable_artifact(data, context)
        highest = ir.Attribute.parse(_HIGHEST)

        def ask_for_all_bits(operation: Any) -> Any:
            if operation.name in _WITH_ALL_BITS[precision]:  # GPUs use TF32 for others.
                operation.attributes["precision_config"] = highest
            return ir.WalkResult.ADVANCE

        module.operation.walk(ask_for_all_bits)
        (main,) = (each for each in module.body.operations if each.sym_name.value == "main")
        kind = main.attributes["function_type"].value
        arguments, results = (
            [_aval(each) for each in side] for side in (kind.inputs, kind.results)
        )
        artifact = serialize_portable_artifact(module, _ARTIFACT_VERSION)

    def like(*_: Any) -> tuple[Any, ...]:
        return tuple(jax.numpy.zeros(aval.shape, aval.dtype) for aval in results)

    exported = jax.export.export(jax.jit(like, keep_unused=True))(*arguments)
    return dataclasses.replace(exported, mlir_module_serialized=artifact)


def _aval(kind: Any) -> Any:
    """Returns the shape and dtype of a tensor type of MLIR, which counts bits: f32, bf16, i1."""
    import jax

    name = str(kind.element_type)
    letter, bits = ("bfloat", "16") if name == "bf16" else (name[0], name[1:])
    words = {"f": "float", "i": "int", "u": "uint"}
    dtype = "bool" if name == "i1" else words.get(letter, letter) + bits.removeprefix("i")
    return jax.ShapeDtypeStruct(tuple(kind.shape), jax.numpy.dtype(dtype))


@functools.cache
def _known_options() -> dict[str, Any]:
    """Returns the options of the tuner that this version of XLA has and `XLA_FLAGS` leaves open."""
    import jax

    lowered = jax.jit(lambda x: x + 1.0).lower(0.0)
    known = {}
    for name, value in _TUNING.items():
        if name in os.environ.get("XLA_FLAGS", ""):
            continue
        try:
            lowered.compile(compiler_options={name: value})
        except jax.errors.JaxRuntimeError:
            continue
        known[name] = value
    return known
