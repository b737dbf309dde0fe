"""Compares what programs get from an exported model with what this process computes.

Run: python tools/exports/compare_consumers.py [CONTENT STYLE] [--size=128] [--steps=5]
(needs gcc and `pip install 'tf-style[serve,litert,onnx]' jax`; about 6 minutes on two cores)
     python tools/exports/compare_consumers.py --time [CONTENT STYLE] [--size=512] [--steps=25]
(about 9 minutes at 512 px on two cores; --steps=5 takes 2)

Exports a SavedModel and runs it in a fresh Python with TensorFlow alone, with `saved_model_cli`,
through the C library, and over HTTP from `tf_style serve`. Exports StableHLO for JAX, and LiteRT
and ONNX files for their runtimes. Prints for each consumer and signature the largest difference,
and the norm of the difference relative to the norm. Small differences are expected: threads add
numbers in varying order; the last three consumers compute convolutions directly, not by Winograd's
algorithm; and the steps of an optimization amplify rounding.

With --time, only the SavedModel's `stylize` is compared with the same run in this process. Both
are deterministic float32 and run in turn, after a short run of each that traces. Prints the
median seconds of each, their ratio, and how many values of the saved picture differ, by how much.
"""

import argparse
import base64
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tf_style.cli import process

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "examples"
SHOWN = {
    "features": "block4_conv2",
    "targets": "style_block3_conv1",
    "loss_and_gradient": "gradient",
    "loss_and_gradient_from_targets": "gradient",
    "stylize": "image",
    "stylize_png": "png_bytes",
}
"""The output of each signature that is compared."""

ALONE = """
import sys
for name in ("keras", "tf_keras", "tensorflow_probability", "tf_style"):
    sys.modules[name] = None
import json, numpy as np, tensorflow as tf
folder, inputs, outputs, wanted, shown = sys.argv[1:]
model, given = tf.saved_model.load(folder), dict(np.load(inputs))
found = {}
for signature, names in json.loads(wanted).items():
    arrays = {
        name: [given[name].tobytes()] if name.endswith("_bytes") else given[name] for name in names
    }
    value = getattr(model, signature)(**{k: tf.constant(v) for k, v in arrays.items()})
    value = value[json.loads(shown)[signature]].numpy()
    found[signature] = np.frombuffer(value[0], np.uint8) if value.dtype == object else value
np.savez(outputs, **found)
"""
IN_JAX = """
import sys
tools, folder, inputs, outputs, shown = sys.argv[1:]
sys.path.insert(0, tools)
import json, pathlib, numpy as np, stablehlo_jax
folder, device, found = pathlib.Path(folder), stablehlo_jax.start(), {}
given = stablehlo_jax.on_device(folder / "weights.npz", device)
given |= stablehlo_jax.on_device(pathlib.Path(inputs), device)
for name, names in stablehlo_jax.described(folder).items():
    if result := json.loads(shown).get(name):
        program = stablehlo_jax.compiled(folder / f"{name}.mlir", names, "float32")
        found[name] = np.asarray(program.execute(given)[result])
np.savez(outputs, **found)
"""

Arrays = dict[str, np.ndarray]


def main() -> int:
    """Exports, runs every consumer or times one, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    examples = [str(EXAMPLES / f"{name}.jpg") for name in ("content", "style")]
    parser.add_argument("pictures", nargs="*", default=examples, help="CONTENT STYLE")
    parser.add_argument("--time", action="store_true", help="time `stylize` of the SavedModel")
    parser.add_argument("--size", type=int, help="px [128; 512 with --time]")
    parser.add_argument("--steps", type=int, help="[5; 25 with --time]")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each with --time")
    options = parser.parse_args()
    if len(options.pictures) != 2:
        parser.error("give one content picture and one style picture")
    size = options.size or (512 if options.time else 128)
    steps = options.steps or (25 if options.time else 5)
    process.set_environment()
    with tempfile.TemporaryDirectory() as name:
        if options.time:
            time_stylize(Path(name), options.pictures, size, steps, options.rounds)
        else:
            compare(Path(name), options.pictures, size, steps)
    return 0


def time_stylize(folder: Path, pictures: list[str], size: int, steps: int, num_rounds: int) -> None:
    """Prints the seconds and differences of the SavedModel's `stylize`."""
    process.tune_tensorflow()
    import tensorflow as tf

    import tf_style
    from tf_style.images.writing import to_pixels
    from tf_style.inputs.preparation import prepare_inputs

    config = tf_style.StyleConfig(size=size).replace(steps=steps, precision="float32")
    tf.config.experimental.enable_op_determinism()
    inputs = prepare_inputs(pictures[0], pictures[1], config)
    arrays = inputs.content, inputs.styles[0]
    tf_style.export_saved_model(folder / "1", config=config)
    model = tf_style.load(folder / "1")

    def in_process(num_steps: int) -> np.ndarray:
        own_size = config.replace(size=0, steps=num_steps, deterministic=True)
        return tf_style.stylize(*arrays, config=own_size).image

    def exported(num_steps: int) -> np.ndarray:
        return model.stylize(*arrays, num_steps=num_steps)["image"].numpy()

    runs = {"in the process": in_process, "exported": exported}
    for run in runs.values():
        run(1)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    images = {}
    for _ in range(num_rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            images[name] = run(steps)
            seconds[name].append(time.perf_counter() - began)
    for name, times in seconds.items():
        print(f"{name}: {statistics.median(times):.1f} s (median of {num_rounds})")
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(f"exported / in the process: {statistics.median(ratios):.3f}")
    pixels = [to_pixels(image).astype(int) for image in images.values()]
    difference = np.abs(pixels[0] - pixels[1])
    share = np.mean(difference > 0)
    print(
        f"values of the saved picture that differ: {share:.2%}, "
        f"by at most {difference.max()} of 255"
    )


def compare(folder: Path, pictures: list[str], size: int, steps: int) -> None:
    """Prints the differences of every consumer; works in an empty folder."""
    import tf_style
    from tf_style.engine.assembly import make_problem
    from tf_style.export.tensor_names import named_targets

    config = tf_style.StyleConfig(size=size).replace(steps=steps, precision="float32")
    content, style = (Image.open(path).convert("RGB") for path in pictures)
    content.thumbnail((size, size))
    style = ImageOps.fit(style, content.size)  # A StableHLO program has one size for both.
    given = {"content": as_image(content), "style": as_image(style)}
    given["image"] = 0.5 * given["content"] + 0.25

    weights = tf_style.load_weights(config.network.weights)
    objective = make_problem(weights.layers, config, "winograd").objective
    targets = objective.targets(given["content"], given["style"])
    named = {name: target.numpy() for name, target in named_targets(targets).items()}
    gradient = objective.value_and_gradient(given["image"], targets)[1].numpy()
    own_size = config.replace(size=0)
    result = tf_style.stylize(given["content"], given["style"], config=own_size)
    expected = {
        "features": objective.extractor(given["image"])[SHOWN["features"]].numpy(),
        "targets": named[SHOWN["targets"]],
        "loss_and_gradient": gradient,
        "loss_and_gradient_from_targets": gradient,
        "stylize": result.image,
        "stylize_png": result.pixels,
    }
    given |= named
    given |= {"content_bytes": as_png(content), "style_bytes": as_png(style)}
    pair = ["content", "style"]
    inputs = {
        "features": ["image"],
        "targets": pair,
        "loss_and_gradient": ["image", *pair],
        "loss_and_gradient_from_targets": ["image", *named],
        "stylize": pair,
        "stylize_png": ["content_bytes", "style_bytes"],
    }

    tf_style.export_saved_model(folder / "models" / "1", config=config)
    print("consumer | signature | largest difference | relative")
    consumers = (in_python, on_command_line, in_c, over_http, in_jax, in_litert, in_onnx)
    for consumer in consumers:
        for signature, found in consumer(folder, given, inputs, own_size).items():
            value = decoded(found) if signature == "stylize_png" else found
            difference = value.astype(np.float64) - expected[signature]
            relative = np.linalg.norm(difference) / np.linalg.norm(expected[signature])
            largest = np.abs(difference).max()
            print(f"{consumer.__name__} | {signature} | {largest:.1e} | {relative:.1e}", flush=True)


Inputs = dict[str, list[str]]


def in_python(folder: Path, given: Arrays, inputs: Inputs, config: object) -> Arrays:
    """Runs the model in a fresh Python that can import TensorFlow but no other package of ours."""
    np.savez(folder / "in.npz", allow_pickle=False, **given)
    words: list = [sys.executable, "-c", ALONE, folder / "models/1", folder / "in.npz"]
    words += [folder / "out.npz", json.dumps(inputs), json.dumps(SHOWN)]
    subprocess.run(words, check=True, capture_output=True)
    return dict(np.load(folder / "out.npz"))


def signatures(folder: Path) -> dict:
    """Returns the SavedModel's signatures by name."""
    from tensorflow.core.protobuf import saved_model_pb2

    data = (folder / "models/1/saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(data).meta_graphs[0].signature_def


def values_of(signature: object, names: list[str], given: Arrays) -> dict[str, np.ndarray]:
    """Returns a signature's arguments: inputs by name, and defaults for the others."""
    import tensorflow as tf

    defaults = signature.defaults  # type: ignore[attr-defined]
    return {name: given[name] for name in names} | {
        name: tf.make_ndarray(value) for name, value in defaults.items()
    }


def on_command_line(folder: Path, given: Arrays, inputs: Inputs, config: object) -> Arrays:
    """Runs the model with TensorFlow's `saved_model_cli`."""
    found = {}
    (folder / "cli").mkdir()
    for signature, names in inputs.items():
        values = values_of(signatures(folder)[signature], names, given)
        for name, value in values.items():
            np.save(
                folder / f"{name}.npy",
                [value.tobytes()] if name.endswith("_bytes") else value,
                allow_pickle=False,
            )
        words: list = [Path(sys.executable).parent / "saved_model_cli", "run", "--dir"]
        words += [folder / "models/1", "--tag_set", "serve", "--signature_def", signature]
        words += ["--inputs", ";".join(f"{name}={folder / name}.npy" for name in values)]
        words += ["--overwrite", "--outdir", folder / "cli"]
        subprocess.run(words, check=True, capture_output=True)
        # The bytes of a picture come as an object array. The file is our own, so pickle is safe.
        value = np.load(folder / "cli" / f"{SHOWN[signature]}.npy", allow_pickle=True)
        found[signature] = np.frombuffer(value[0], np.uint8) if value.dtype == object else value
    return found


def in_c(folder: Path, given: Arrays, inputs: Inputs, config: object) -> Arrays:
    """Runs the model in a C program that is linked with TensorFlow's library."""
    import tensorflow as tf

    library, program = tf.sysconfig.get_lib(), folder / "run_saved_model"
    source = HERE / "run_saved_model.c"
    words: list = ["gcc", "-O2", source, f"-I{tf.sysconfig.get_include()}"]
    words += [f"-L{library}", "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    subprocess.run([*words, f"-Wl,-rpath,{library}", "-o", program], check=True)
    found: Arrays = {}
    for signature, names in inputs.items():
        tensors = signatures(folder)[signature]
        words = [program, folder / "models/1"]
        for name, value in values_of(tensors, names, given).items():
            path = folder / f"{name}.raw"
            path.write_bytes(value.tobytes())
            is_file = name.endswith("_bytes")
            kind = "string" if is_file else {"f": "float", "i": "int32"}[value.dtype.kind]
            sides = ",".join(map(str, [1] if is_file else value.shape))
            words += ["in", tensors.inputs[name].name, kind, sides, path]
        words += ["out", tensors.outputs[SHOWN[signature]].name, folder / "c.out"]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        data = np.frombuffer((folder / "c.out").read_bytes(), np.uint8)
        shape = [int(side) for side in done.stdout.split()[1:]]
        is_file = signature == "stylize_png"
        found[signature] = data if is_file else data.view(np.float32).reshape(shape)
    return found


def over_http(folder: Path, given: Arrays, inputs: Inputs, config: object) -> Arrays:
    """Requests results from `tf_style serve`, as any REST client does."""
    found = {}
    with served(folder / "models") as address:
        for signature, names in inputs.items():
            values = {
                name: [{"b64": base64.b64encode(given[name].tobytes()).decode()}]
                if name.endswith("_bytes")
                else given[name].tolist()
                for name in names
            }
            body = json.dumps({"signature_name": signature, "inputs": values}).encode()
            request = urllib.request.Request(f"{address}:predict", body)
            value = json.load(urllib.request.urlopen(request))["outputs"]
            if isinstance(value, dict):  # A single output has no name.
                value = value[SHOWN[signature]]
            if signature == "stylize_png":
                found[signature] = np.frombuffer(base64.b64decode(value[0]["b64"]), np.uint8)
            else:
                found[signature] = np.array(value, np.float32)
    return found


@contextlib.contextmanager
def served(models: Path) -> Iterator[str]:
    """Yields the model's URL while the server runs."""
    words = [sys.executable, "-m", "tf_style", "serve", f"--model_dir={models}", "--port=0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as server:
        address = ""
        while server.poll() is None and not address:
            line = server.stdout.readline() if server.stdout else ""
            address = line.split(" at ")[-1].strip() if " at http" in line else ""
        try:
            if not address:
                raise RuntimeError("The server did not start.")
            yield address
        finally:
            server.terminate()


def in_jax(folder: Path, given: Arrays, inputs: Inputs, config: object) -> Arrays:
    """Runs StableHLO programs with JAX."""
    import tf_style

    height, width = given["content"].shape[1:3]
    tf_style.export_stablehlo(
        folder / "stablehlo",
        config=config,  # type: ignore[arg-type]
        height=height,
        width=width,
        check=False,
    )
    pictures = {name: value for name, value in given.items() if not name.endswith("_bytes")}
    np.savez(folder / "jax.npz", allow_pickle=False, **pictures)
    words: list = [sys.executable, "-c", IN_JAX, HERE, folder / "stablehlo"]
    words += [folder / "jax.npz", folder / "out.npz", json.dumps(SHOWN)]
    subprocess.run(words, check=True, capture_output=True)
    return dict(np.load(folder / "out.npz"))


def in_litert(folder: Path, given: Arrays, inputs: Inputs, config: object) -> Arrays:
    """Runs LiteRT files."""
    return converted(folder, given, inputs, config, "litert")


def in_onnx(folder: Path, given: Arrays, inputs: Inputs, config: object) -> Arrays:
    """Runs ONNX files."""
    return converted(folder, given, inputs, config, "onnx")


def converted(folder: Path, given: Arrays, inputs: Inputs, config: object, kind: str) -> Arrays:
    """Exports files of one format and runs each in its runtime."""
    import tf_style
    from tf_style.portable.conversion import FORMATS

    options = tf_style.PortableOptions(format=kind)
    files = tf_style.export_portable(folder / kind, config=config, options=options)  # type: ignore[arg-type]
    found = {}
    for file in files:
        values = {name: given[name] for name in inputs[file.signature]}
        found[file.signature] = FORMATS[kind].run(file.path, values)[SHOWN[file.signature]]
    return found


def as_image(picture: Image.Image) -> np.ndarray:
    """Returns float32 `[1, H, W, 3]`, 0..1."""
    return np.asarray(picture, np.float32)[np.newaxis] / np.float32(255.0)


def as_png(picture: Image.Image) -> np.ndarray:
    """Returns the bytes of a PNG file, uint8."""
    with io.BytesIO() as file:
        picture.save(file, "PNG")
        return np.frombuffer(file.getvalue(), np.uint8)


def decoded(data: np.ndarray) -> np.ndarray:
    """Returns the pixels of a PNG file given as bytes."""
    return np.asarray(Image.open(io.BytesIO(data.tobytes())))


if __name__ == "__main__":
    sys.exit(main())
