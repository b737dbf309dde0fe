"""Times the command line from the start of its process to the end of its first evaluation.

Run: python tools/speed/bench_start.py   (a minute and a half on two cores; -- FLAGS are passed on)

New processes run in turn: `import tensorflow` alone, and `tf_style` with a default config, which
ends after the first evaluation of loss and gradient. Prints the shortest and the median seconds of
each since the process was started, their ratio, and when each part of the start that takes more
than 0.03 s begins and ends in the quickest run. Parts overlap where threads do, and where one is
made of others (indented).
"""

import argparse
import functools
import importlib.abc
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_ALONE = "import tensorflow, time; print(time.monotonic())"
_IMPORTS = ("numpy", "PIL.Image", "tensorflow", "keras", "tensorflow_probability")
_LAST = "tf_style.optimizers.lbfgs:Lbfgs.begin"
_PARTS = {
    "tf_style.inputs.preparation:prepare_inputs": "read and resize the pictures",
    "tf_style.cli.process:tune_tensorflow": "start TensorFlow",
    "tf_style.network.weights:read_weights_file": "read and check the weights",
    "tf_style.network.weights:normalize": "normalize the weights",
    "tf_style.network.arithmetic:arithmetic": "choose the arithmetic",
    "tf_style.network.extractor:build_extractor": "build the network and its kernels",
    "tf_style.engine.pictures:at_scale": "resize for the first stage",
    "tf_style.objective.objective:Objective.targets": "targets",
    _LAST: "first evaluation, traced and run",
    "tf_style.engine.problem:Problem._value_and_gradient": "  trace loss and gradient",
    "tensorflow.python.eager.context:Context.call_function": "  TensorFlow loads and runs a graph",
}
"""Functions that are timed, and what they are called here."""


def main() -> None:
    """Prints the table."""
    own, flags = sys.argv[1:], list[str]()
    if "--" in own:
        own, flags = own[: own.index("--")], own[own.index("--") + 1 :]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7, help="processes of each kind")
    given = parser.parse_args(own)
    alone, whole = list[float](), list[tuple[float, list]]()
    for _ in range(given.runs):
        alone.append(_seconds_alone())
        whole.append(_run(flags))
    ours = [seconds for seconds, _ in whole]
    _report("import tensorflow", alone)
    _report("first evaluation", ours)
    pairs = statistics.median(one / other for one, other in zip(ours, alone, strict=True))
    print(f"ratio: {min(ours) / min(alone):.2f} of the shortest, {pairs:.2f} median of the pairs")
    print("\n begin    end   took  part")
    for begin, end, part in sorted(min(whole)[1]):
        print(f"{begin:6.2f} {end:6.2f} {end - begin:6.2f}  {part}")


def _report(name: str, seconds: Sequence[float]) -> None:
    median = statistics.median(seconds)
    print(f"{name}: {min(seconds):.2f} s, median of {len(seconds)} {median:.2f} s", flush=True)


def _seconds_alone() -> float:
    """Returns the seconds that a new process takes to import TensorFlow."""
    began = time.monotonic()
    command = [sys.executable, "-c", _ALONE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout) - began


def _run(flags: Sequence[str]) -> tuple[float, list[tuple[float, float, str]]]:
    """Returns the seconds to the first evaluation, and its parts: begin, end, name."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--child", f"{folder}/marks.json"]
        command += [f"--content={_ROOT}/examples/content.jpg"]
        command += [f"--style={_ROOT}/examples/style.jpg", f"--output={folder}/out.png", *flags]
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"tf_style failed: {done.stderr[-2000:]}")
        marks = json.loads(Path(folder, "marks.json").read_text())
    parts = [(begin - began, end - began, name) for begin, end, name in marks]
    return max(end for _, end, _ in parts), [part for part in parts if part[1] - part[0] > 0.03]


class _Timing(importlib.abc.MetaPathFinder):
    """Times imports and functions of the process, and ends it after the first evaluation."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._looking = threading.local()
        self._marks: list[tuple[float, float, str]] = []

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Lets the other finders find the module, and adds timing to its loader."""
        parts = {part: text for part, text in _PARTS.items() if part.split(":")[0] == name}
        if getattr(self._looking, "now", False) or not (parts or name in _IMPORTS):
            return None
        self._looking.now = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._looking.now = False
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            loader.exec_module = self._executing(loader.exec_module, name, parts)
        return spec

    def _executing(
        self, execute: Callable, name: str, parts: dict[str, str]
    ) -> Callable[[ModuleType], None]:
        if name in _IMPORTS:
            execute = self._timed(execute, f"import {name}")

        def execute_module(module: ModuleType) -> None:
            execute(module)
            for part, text in parts.items():
                *path, last = part.split(":")[1].split(".")
                owner: Any = functools.reduce(getattr, path, module)
                setattr(owner, last, self._timed(getattr(owner, last), text, part == _LAST))

        return execute_module

    def _timed(self, function: Callable, text: str, is_last: bool = False) -> Callable:
        @functools.wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
            begin = time.monotonic()
            result = function(*arguments, **options)
            self._marks.append((begin, time.monotonic(), text))
            if is_last:
                self._output.write_text(json.dumps(self._marks))
                os._exit(0)
            return result

        return timed


def _child(output: Path, arguments: Sequence[str]) -> int:
    """Runs the command line up to its first evaluation."""
    sys.meta_path.insert(0, _Timing(output))
    from tf_style.cli.main import main as command_line

    return command_line(arguments)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.exit(_child(Path(sys.argv[2]), sys.argv[3:]))
    main()
