"""Measures how much a film flickers that a style network paints frame by frame.

Run: python tools/looks/measure_stability.py FILM [--networks NETWORK [OTHER]] [--style=NAME]
         [--size=480] [--frames=60]   (a second for each frame; needs opencv-python-headless)

Frames are painted one by one. The mean warped difference is that between a painted frame and the
one before it, moved along with the film: by OpenCV's optical flow DIS between the film's own
frames, at the positions where the flow there and the flow back agree to within a pixel or so
(Sundaram et al., 2010), so that what is hidden or newly seen does not count. It is a mean of
absolute differences, 0..255. Prints it for each network and for the film itself, the share of
positions that count, and, for two networks, the ratio of the first to the second.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from relative_distances import Painter

from tf_style.cli import process
from tf_style.feedforward.bundled import named_network

RELATIVE, FLOOR = 0.01, 0.5
"""Flows agree where |there + back|^2 < RELATIVE (|there|^2 + |back|^2) + FLOOR, in px^2."""


def frames_of(film: Path, size: int, count: int) -> Iterator[np.ndarray]:
    """Yields the first frames of a film, uint8 `[h, w, 3]`, RGB, with the longer edge `size`.

    Raises:
        ValueError: if the film has no frame that can be read.
    """
    import cv2

    capture = cv2.VideoCapture(str(film))
    for number in range(count):
        is_read, frame = capture.read()
        if not is_read:
            if not number:
                raise ValueError(f"`film` must be a film that OpenCV reads. Received: '{film}'.")
            return
        factor = size / max(frame.shape[:2])
        frame = cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def places(flow: np.ndarray) -> np.ndarray:
    """Returns where each position comes from by a flow, float32 `[h, w, 2]`, as (x, y)."""
    rows, columns = np.mgrid[: flow.shape[0], : flow.shape[1]]
    return (np.stack([columns, rows], -1) + flow).astype(np.float32)


def warped(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Returns an image's values at places, from `places`."""
    import cv2

    return cv2.remap(image, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def agreeing(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Returns where two flows agree and stay inside, bool `[h, w]`.

    Args:
        there: float32 `[h, w, 2]`, from each position of one frame to the other.
        back: float32 `[h, w, 2]`, from the other to the first.
    """
    at = places(there)
    returned = warped(back, at)
    squares = (np.sum(np.square(each), -1) for each in (there + returned, there, returned))
    both, first, second = squares
    limits = np.array(there.shape[1::-1]) - 1
    is_inside = np.all((at >= 0) & (at <= limits), -1)
    return is_inside & (both < RELATIVE * (first + second) + FLOOR)


class Differences:
    """The warped differences of neighboring frames of one film, or of paintings of it."""

    def __init__(self) -> None:
        self.sums: list[float] = []
        self._before: np.ndarray | None = None

    def add(self, frame: np.ndarray, at: np.ndarray | None, counts: np.ndarray | None) -> None:
        """Compares a frame, `[h, w, 3]`, 0..255, with the one before, where it counts."""
        frame = frame.astype(np.float32)
        if self._before is not None and at is not None:
            difference = np.abs(frame - warped(self._before, at))
            self.sums.append(float(difference[counts].mean()))
        self._before = frame

    @property
    def mean(self) -> float:
        """The mean over all pairs of frames."""
        return float(np.mean(self.sums))


def measured(
    frames: Iterator[np.ndarray], painters: dict[str, Any]
) -> tuple[dict[str, float], float]:
    """Returns the mean warped difference of each painter, and the share of positions that count.

    Args:
        frames: of a film, uint8 `[h, w, 3]`.
        painters: by name, functions from a frame to a painted one, `[h, w, 3]`, 0..255.
    """
    import cv2

    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    found = {name: Differences() for name in painters}
    shares, before = [], None
    for frame in frames:
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        at = counts = None
        if before is not None:
            there, back = flow.calc(gray, before, None), flow.calc(before, gray, None)
            at, counts = places(there), agreeing(there, back)
            shares.append(counts.mean())
        before = gray
        for name, paint in painters.items():
            found[name].add(paint(frame), at, counts)
    return {name: each.mean for name, each in found.items()}, float(np.mean(shares))


def main() -> int:
    """Paints, measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("--networks", nargs="+", default=["default"], help="one or two")
    parser.add_argument("--style", help="name of the style; the network's first if left out")
    parser.add_argument("--size", type=int, default=480, help="longer edge of frames, px")
    parser.add_argument("--frames", type=int, default=60)
    options = parser.parse_args()
    process.set_environment()
    process.tune_tensorflow()

    def painter_of(name: str) -> Any:
        network = named_network(name)
        style = network.styles[options.style or next(iter(network.styles))]
        painter = Painter(network)

        def painted(frame: np.ndarray) -> np.ndarray:
            photograph = frame[np.newaxis].astype(np.float32) / np.float32(255.0)
            return np.rint(255.0 * painter(photograph, style)[0])

        return painted

    painters = {"the film itself": lambda frame: frame}
    painters |= {name: painter_of(name) for name in options.networks}
    try:
        film = frames_of(options.film, options.size, options.frames)
        found, share = measured(film, painters)
    except (ImportError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    for name, mean in found.items():
        print(f"{name}: {mean:.2f} of 255")
    print(f"positions that count: {share:.0%}")
    if len(options.networks) == 2:
        first, second = (found[name] for name in options.networks)
        print(f"ratio: {first / second:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
