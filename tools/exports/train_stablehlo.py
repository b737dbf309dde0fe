"""Trains a style network by StableHLO programs with JAX, where TensorFlow is missing or has no GPU.

Run, where TensorFlow is:   python tools/exports/train_stablehlo.py write FOLDER --style PAINTING...
         [--init_network=none] [--add_to=NETWORK] [--options batch=8 precision=bfloat16 ...]
where JAX is:               python tools/exports/train_stablehlo.py run FOLDER --photos=DIR
         [--limit=9] [--precision=TF32-convolutions] [--cache=FOLDER]
where TensorFlow is:        python tools/exports/train_stablehlo.py network FOLDER wave.tfstyle
(a minute to write; as long as the training's minutes or steps to run; seconds for the network)

`run` needs JAX, Pillow and the sources of tf_style, but no TensorFlow. It makes the steps that the
options ask for, but ends after `--limit` minutes. FOLDER/state.bin is renewed every minute; a
second call goes on from it, and ends at once where nothing is left to do. Losses are printed every
ten seconds: content and style are relative, 1 for nothing reached. The network of `network` is that
of the last state. docs/xla.md says more.
"""

import argparse
import collections
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import stablehlo_jax

from tf_style.config.flat_names import flat_fields
from tf_style.config.training import TrainingConfig
from tf_style.export.options import ABOUT, LOSS, OF_SIDE, PAINTINGS, PICTURE, STATE, TRAIN
from tf_style.feedforward.network_file import write_network
from tf_style.images.writing import to_pixels
from tf_style.training.choices import REACH, STYLE_SIDE, Reached, choices, share_of
from tf_style.training.photographs import Photographs, crop, listed, style_part
from tf_style.training.preparation import prepare
from tf_style.training.state_file import read_state, write_state

NEWEST = "state.bin"
_PRECISION = "TF32-convolutions"  # Roots of matrices need all bits.
PRINTED, SAVED = 10.0, 60.0  # Seconds between lines, and between states.


class Cut(NamedTuple):
    """What a step looks at, cut.

    Attributes:
        side: of the parts, px.
        arrays: by the names of the program's arguments, without the noise.
        seed: of the noise, below 2^62.
    """

    side: int
    arrays: dict[str, np.ndarray]
    seed: int


class Cutter:
    """Cuts the batches of steps, some steps ahead, in several threads."""

    def __init__(
        self,
        config: TrainingConfig,
        photographs: Photographs,
        paintings: Sequence[np.ndarray],
    ) -> None:
        self._config = config
        self._photographs = photographs
        self._paintings = paintings
        self._pixels = [to_pixels(each) for each in paintings]
        workers = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(workers)
        self._ahead = 2 * workers
        self._waiting: collections.deque[Future[Cut]] = collections.deque()

    def batch(self, reached: Reached) -> Cut:
        """Returns the batch of the next step; later ones must be asked for in order."""
        share = share_of(self._config, reached)
        while len(self._waiting) < self._ahead:
            step = reached.step + len(self._waiting)
            if self._config.steps:
                share = share_of(self._config, Reached(step))
            self._waiting.append(self._pool.submit(self._cut, step, share))
        return self._waiting.popleft().result()

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _cut(self, step: int, share: float) -> Cut:
        config = self._config
        seed, side = config.seed, config.crop_side(share)
        found: dict[str, Any] = choices(
            config, self._paintings, step=step, share=share, side=side,
        )._asdict()  # fmt: skip
        high, low = (int(each) for each in found.pop("seed"))
        first = step * config.batch
        found["photographs"] = np.stack([
            crop(self._photographs, number, side=side + 2 * REACH, seed=seed)
            for number in range(first, first + config.batch)
        ])  # fmt: skip
        if config.any_share:
            part = style_part(self._photographs, self._pixels, step, side=STYLE_SIDE, seed=seed)
            found["style"] = part[np.newaxis]
        named = {f"{k}_{side}" if k in OF_SIDE else k: v for k, v in found.items()}
        return Cut(side, named, high << 31 | low)


def noise_of(cut: Cut, config: TrainingConfig) -> dict[str, Any]:
    """Returns the noise of a step by its name, drawn on the device: processors take long for it."""
    import jax

    shape = config.batch, cut.side, cut.side, 3
    return {f"noise_{cut.side}": jax.random.normal(jax.random.key(cut.seed), shape, np.float32)}


class Progress(NamedTuple):
    """A step that was made.

    Attributes:
        reached: how far the training has come.
        results: of the program, by name: the state and the losses.
        side: of the parts, px.
    """

    reached: Reached
    results: dict[str, Any]
    side: int


def trained(
    programs: dict[int, Any], constants: dict[str, Any], cutter: Cutter, state: dict[str, Any],
    reached: Reached, config: TrainingConfig,
) -> Iterator[Progress]:  # fmt: skip
    """Yields each step; a step starts before the one before it has ended.

    Raises:
        FloatingPointError: if a loss is no number.
    """
    clock, before = time.perf_counter(), None
    while share_of(config, reached) < 1.0:
        cut = cutter.batch(reached)
        arrays = {**cut.arrays, **noise_of(cut, config)}
        results = programs[cut.side].dispatch({**constants, **state, **arrays})
        if before is not None and not math.isfinite(total := float(before[f"{LOSS}total"])):
            raise FloatingPointError(
                f"The training's loss is {total} after step {reached.step}. Use a smaller "
                "`learning_rate`."
            )
        now = time.perf_counter()
        reached = Reached(reached.step + 1, reached.seconds + now - clock)
        clock, before = now, results
        state = {name: results[name] for name in state}
        yield Progress(reached, results, cut.side)


def run(options: argparse.Namespace) -> int:
    """Trains, prints losses and writes states."""
    device = stablehlo_jax.start(options.cache)
    began = time.monotonic()
    about = json.loads((options.folder / ABOUT).read_text(encoding="utf-8"))
    config = TrainingConfig(**about["config"])
    newest = options.folder / NEWEST
    state, reached = read_state(newest if newest.exists() else options.folder / STATE)
    paths, notes = listed(options.photos)
    print("\n".join([f"{stablehlo_jax.versions()}, {device.device_kind}", *notes]), flush=True)
    constants = stablehlo_jax.on_device(options.folder / "weights.npz", device)
    asked = dict(np.load(options.folder / PAINTINGS))
    nothing = np.zeros([1, 1, 1, 3], np.float32)
    pictures = [asked.pop(f"{PICTURE}{number}", nothing) for number in range(len(about["styles"]))]
    programs = {}
    for name, names in about["programs"].items():
        path = options.folder / f"{name}.mlir"
        found = stablehlo_jax.compiled(path, names, options.precision)
        programs[int(name.removeprefix(TRAIN))] = found
        print(f"{name}: {found.seconds:.0f} s, {found.num_bytes / 2**30:.2f} GiB", flush=True)
    cutter = Cutter(config, Photographs(paths, print), pictures)
    printed, saved, last = (time.monotonic(), reached.step), time.monotonic(), None
    try:
        for last in trained(programs, constants | asked, cutter, dict(state), reached, config):
            now = time.monotonic()
            if now - printed[0] >= PRINTED:
                _print(last, config, (last.reached.step - printed[1]) / (now - printed[0]))
                printed = now, last.reached.step
            if now - saved >= SAVED:
                _write(newest, state, last)
                saved = time.monotonic()
            if now - began >= 60.0 * options.limit:
                break
    except KeyboardInterrupt:
        print("interrupted")
    finally:
        cutter.close()
    if last is not None:
        seconds = last.reached.seconds - reached.seconds
        _print(last, config, (last.reached.step - reached.step) / seconds)
        _write(newest, state, last)
    return 0


def _print(progress: Progress, config: TrainingConfig, speed: float) -> None:
    losses = {
        name.removeprefix(LOSS): float(value)
        for name, value in progress.results.items()
        if name.startswith(LOSS)
    }
    text = ", ".join(f"{name} {value:.4f}" for name, value in losses.items() if value)
    print(
        f"step {progress.reached.step}, {share_of(config, progress.reached):.1%}, "
        f"{progress.side} px, {speed:.3g} steps/s: {text}",
        flush=True,
    )


def _write(path: Path, names: Any, progress: Progress) -> None:
    """Writes a state; raises FloatingPointError, and keeps the older one, if it is not finite."""
    arrays = {name: np.asarray(progress.results[name]) for name in names}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise FloatingPointError(
            f"The state after step {progress.reached.step} is not finite; '{path}' keeps the last "
            "one that was. Use a smaller `learning_rate`."
        )
    write_state(path, arrays, progress.reached)


def write(options: argparse.Namespace) -> int:
    """Writes the folder."""
    from tf_style.export.training_programs import export_training

    given = dict(text.partition("=")[::2] for text in options.options)
    config = TrainingConfig().replace(**{name: _parsed(name, given[name]) for name in given})
    job = prepare(options.style, config, init_network=options.init_network, add_to=options.add_to)
    print("\n".join(job.notes), end="\n" if job.notes else "")
    export_training(
        options.folder, config=config, styles=job.paintings, base=job.base,
        only_styles=job.only_styles, record=job.about(), check=options.check, notify=print,
    )  # fmt: skip
    return 0


def _parsed(name: str, text: str) -> Any:
    """Returns the value of an option of `TrainingConfig`."""
    fields = flat_fields(TrainingConfig)
    return json.loads(text) if name in fields and fields[name][2] in (int, float, bool) else text


def network(options: argparse.Namespace) -> int:
    """Writes the network of the last state."""
    from tf_style.export.training_programs import trained_network

    found = trained_network(options.folder, options.folder / NEWEST)
    write_network(options.output, found)
    print(f"Saved {options.output}: {', '.join(found.styles)}; after {found.about['step']} steps")
    return 0


def main() -> int:
    """Runs one of the three commands."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    writing = commands.add_parser("write", help="write the programs, where TensorFlow is")
    writing.add_argument("folder", type=Path)
    writing.add_argument("--style", nargs="+", required=True, help="paintings, or NAME=FILE")
    writing.add_argument("--init_network", default="default", help="as of tf_style train")
    writing.add_argument("--add_to", default="", help="as of tf_style train")
    writing.add_argument("--options", nargs="*", default=[], help="NAME=VALUE of TrainingConfig")
    writing.add_argument("--check", action="store_true", help="write samples for run_stablehlo.py")
    writing.set_defaults(call=write)
    running = commands.add_parser("run", help="train, where JAX is")
    running.add_argument("folder", type=Path)
    running.add_argument("--photos", type=Path, required=True, help="folder of photographs")
    running.add_argument("--limit", type=float, default=9.0, help="minutes of this call")
    running.add_argument("--precision", choices=stablehlo_jax.PRECISIONS, default=_PRECISION)
    running.add_argument("--cache", type=Path, help="folder for compiled programs")
    running.set_defaults(call=run)
    reading = commands.add_parser("network", help="write the network, where TensorFlow is")
    reading.add_argument("folder", type=Path)
    reading.add_argument("output", type=Path, help="a .tfstyle file")
    reading.set_defaults(call=network)
    options = parser.parse_args()
    try:
        return options.call(options)
    except KeyError as error:
        print(f"`folder` must hold one export alone. Received: no {error}.", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(error, file=sys.stderr)
        return 1
    except (ValueError, TypeError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
