"""Compares what different programs get from an exported model with what this process computes.

Run: python tools/compare_consumers.py [CONTENT STYLE] [--size=128] [--steps=5]
(needs gcc and `pip install 'tf_style[serve]'`; about 4 minutes on two cores)

Exports a SavedModel and asks it through a fresh Python with TensorFlow alone, through
`saved_model_cli`, through the C library and over HTTP from `tf_style serve`. Prints for each
consumer and signature the largest difference, and the norm of the difference by the norm.
Threads add numbers in an order of their own, and the steps of an optimisation amplify rounding.
"""

import argparse
import base64
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tf_style import _runtime

ROOT = Path(__file__).resolve().parents[1]
WANTED = {"features": "block4_conv2", "loss_and_gradient": "gradient", "stylize": "image"}
ALONE = """
import sys
for name in ("keras", "tf_keras", "tensorflow_probability", "tf_style"):
    sys.modules[name] = None
import numpy as np, tensorflow as tf
folder, inputs, outputs = sys.argv[1:]
model, given = tf.saved_model.load(folder), np.load(inputs)
image, content, style = (tf.constant(given[name]) for name in ("image", "content", "style"))
png = model.stylize_png(*([given[name].tobytes()] for name in ("content_png", "style_png")))
np.savez(
    outputs,
    features=model.features(image)["block4_conv2"],
    loss_and_gradient=model.loss_and_gradient(image, content, style)["gradient"],
    stylize=model.stylize(content, style)["image"],
    stylize_png=np.frombuffer(png["png_bytes"].numpy()[0], np.uint8),
)
"""


def main() -> int:
    """Exports, asks every consumer, prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    examples = [str(ROOT / f"examples/{name}.jpg") for name in ("content", "style")]
    parser.add_argument("pictures", nargs="*", default=examples)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args()
    _runtime.set_environment()
    with tempfile.TemporaryDirectory() as name:
        compare(Path(name), options.pictures, options.size, options.steps)
    return 0


def compare(folder: Path, pictures: list[str], size: int, steps: int) -> None:
    """Prints the table; works in an empty folder."""
    import tf_style
    from tf_style import problem
    from tf_style.weights import load_weights

    config = tf_style.StyleConfig(size=size).replace(steps=steps, precision="float32")
    model = folder / "models" / "1"
    tf_style.export_saved_model(model, config=config)
    content, style = (Image.open(path).convert("RGB") for path in pictures)
    content.thumbnail((size, size))
    style.thumbnail((size, size))
    given = {"content": as_image(content), "style": as_image(style)}
    given["image"] = 0.5 * given["content"] + 0.25
    files = {"content_png": as_png(content), "style_png": as_png(style)}

    weights = load_weights(config.network.weights)
    objective = problem.make_problem(weights.layers, config, "winograd").objective
    targets = objective.targets(given["content"], given["style"])
    expected = {
        "features": objective.extractor(given["image"])["block4_conv2"].numpy(),
        "loss_and_gradient": objective.value_and_gradient(given["image"], targets)[1].numpy(),
    }
    own_size = config.replace(size=0)
    result = tf_style.stylize(given["content"], given["style"], config=own_size)
    expected |= {"stylize": result.image, "stylize_png": result.pixels}

    print("consumer | signature | largest difference | relative")
    for consumer in (in_python, on_command_line, in_c, over_http):
        for signature, found in consumer(folder, model, given, files).items():
            value = decoded(found) if signature == "stylize_png" else found
            difference = value.astype(np.float64) - expected[signature]
            relative = np.linalg.norm(difference) / np.linalg.norm(expected[signature])
            largest = np.abs(difference).max()
            print(f"{consumer.__name__} | {signature} | {largest:.1e} | {relative:.1e}", flush=True)


Arrays = dict[str, np.ndarray]


def in_python(folder: Path, model: Path, given: Arrays, files: dict[str, bytes]) -> Arrays:
    """Asks a fresh Python in which nothing but TensorFlow can be imported."""
    arrays = {name: np.frombuffer(data, np.uint8) for name, data in files.items()}
    np.savez(folder / "in.npz", allow_pickle=False, **given, **arrays)
    words: list = [sys.executable, "-c", ALONE, model, folder / "in.npz", folder / "out.npz"]
    subprocess.run(words, check=True, capture_output=True)
    return dict(np.load(folder / "out.npz"))


def on_command_line(folder: Path, model: Path, given: Arrays, files: dict[str, bytes]) -> Arrays:
    """Asks TensorFlow's `saved_model_cli`."""
    found = {}
    for signature, names in {
        "features": ("image",),
        "loss_and_gradient": ("image", "content", "style"),
    }.items():
        for name in names:
            np.save(folder / f"{name}.npy", given[name])
        inputs = ";".join(f"{name}={folder / name}.npy" for name in names)
        words: list = [Path(sys.executable).parent / "saved_model_cli", "run", "--dir", model]
        words += ["--tag_set", "serve", "--signature_def", signature, "--overwrite"]
        words += ["--inputs", inputs, "--outdir", folder / "cli"]
        (folder / "cli").mkdir(exist_ok=True)
        subprocess.run(words, check=True, capture_output=True)
        found[signature] = np.load(folder / "cli" / f"{WANTED[signature]}.npy")
    return found


def in_c(folder: Path, model: Path, given: Arrays, files: dict[str, bytes]) -> Arrays:
    """Asks a C program that is linked with TensorFlow's library."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    library, program = tf.sysconfig.get_lib(), folder / "run_saved_model"
    words: list = [
        "gcc",
        "-O2",
        ROOT / "tools/run_saved_model.c",
        f"-I{tf.sysconfig.get_include()}",
    ]
    words += [f"-L{library}", "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    subprocess.run([*words, f"-Wl,-rpath,{library}", "-o", program], check=True)
    saved = saved_model_pb2.SavedModel.FromString((model / "saved_model.pb").read_bytes())
    found: Arrays = {}
    for signature, output in {**WANTED, "stylize_png": "png_bytes"}.items():
        tensors = saved.meta_graphs[0].signature_def[signature]
        words = [program, model]
        for name, tensor in tensors.inputs.items():
            path, kind, shape = folder / f"{name}.raw", "float", [1]
            if name.endswith("_bytes"):
                path.write_bytes(files[name.replace("_bytes", "_png")])
                kind = "string"
            elif name in tensors.defaults:
                value = tf.make_ndarray(tensors.defaults[name])
                path.write_bytes(value.tobytes())
                kind = "int32" if value.dtype == np.int32 else "float"
            else:
                path.write_bytes(given[name].tobytes())
                shape = list(given[name].shape)
            words += ["in", tensor.name, kind, ",".join(map(str, shape)), path]
        words += ["out", tensors.outputs[output].name, folder / "c.out"]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        data = np.frombuffer((folder / "c.out").read_bytes(), np.uint8)
        sides = [int(side) for side in done.stdout.split()[1:]]
        is_file = output == "png_bytes"
        found[signature] = data if is_file else data.view(np.float32).reshape(sides)
    return found


def over_http(folder: Path, model: Path, given: Arrays, files: dict[str, bytes]) -> Arrays:
    """Asks `tf_style serve` as any REST client does."""

    def encoded(data: bytes) -> dict[str, str]:
        return {"b64": base64.b64encode(data).decode()}

    with served(model.parent) as address:

        def ask(signature: str, **inputs: object) -> dict:
            body = json.dumps({"signature_name": signature, "inputs": inputs}).encode()
            request = urllib.request.Request(f"{address}:predict", body)
            return json.load(urllib.request.urlopen(request))["outputs"]

        lists = {name: value.tolist() for name, value in given.items()}
        image = lists.pop("image")
        png = ask(
            "stylize_png",
            content_bytes=[encoded(files["content_png"])],
            style_bytes=[encoded(files["style_png"])],
        )
        png = png["png_bytes"] if isinstance(png, dict) and "png_bytes" in png else png
        found = {
            "features": ask("features", image=image)["block4_conv2"],
            "loss_and_gradient": ask("loss_and_gradient", image=image, **lists)["gradient"],
            "stylize": ask("stylize", **lists)["image"],
        }
    arrays = {name: np.array(value, np.float32) for name, value in found.items()}
    return {**arrays, "stylize_png": np.frombuffer(base64.b64decode(png[0]["b64"]), np.uint8)}


@contextlib.contextmanager
def served(models: Path) -> Iterator[str]:
    """Yields the model's address while the server runs."""
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


def as_image(picture: Image.Image) -> np.ndarray:
    """Returns float32 `[1, H, W, 3]`, 0..1."""
    return np.asarray(picture, np.float32)[np.newaxis] / np.float32(255.0)


def as_png(picture: Image.Image) -> bytes:
    """Returns the bytes of a PNG file."""
    with io.BytesIO() as file:
        picture.save(file, "PNG")
        return file.getvalue()


def decoded(data: np.ndarray) -> np.ndarray:
    """Returns the pixels of a PNG file given as bytes."""
    return np.asarray(Image.open(io.BytesIO(data.tobytes())))


if __name__ == "__main__":
    sys.exit(main())
