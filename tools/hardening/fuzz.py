"""Feeds hostile files to every parser of the package and reports faults.

Run: python tools/hardening/fuzz.py --cases=100000 --seed=0 [--targets=images,masks]
     [--output=findings]
     python tools/hardening/fuzz.py --targets=images --case=findings/images-0.bin   (repeats a case)
     python tools/hardening/fuzz.py --self_test          (looks for planted faults)
(1,000 cases take about 20 s; the self-test about a minute)

Cases are spread over the targets of `fuzz_targets.TARGETS` by their shares. They run in processes
of `BATCH` cases each, in an empty folder with an empty home. Seeds make them reproducible. A parser
must return a correct result, or raise one of its errors with a message of one line that names the
input. Everything else is a finding:

- another exception; a message that has several lines, is too long or names nothing; a warning;
- more than `CPU_SECONDS` or `WALL_SECONDS`; `MIB` more memory than before the case (peak resident
  set, with pictures limited to `fuzz_targets.MAX_PIXELS`); or an allocation that does not fit into
  `GUARD_GIB` of address space;
- a file opened for writing or created, a program started, a connection, or code compiled, imported
  or unpickled, as seen by Python's audit hooks; files are also checked by listing the folders;
- the death of the process, for example by a fault in a C library.

Prints a table and the findings, and writes the smallest case of each to `--output`. The exit code
is 1 if there are any.
"""

import argparse
import codecs
import contextlib
import faulthandler
import importlib
import json
import os
import pickle
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import fuzz_targets
import numpy as np
from fuzz_mutations import cases
from fuzz_targets import TARGETS, Target
from hypothesis import HealthCheck, Phase, given, seed, settings
from PIL import Image

from tf_style.images import libvips, pillow, reading

BATCH = 10_000
CPU_SECONDS, WALL_SECONDS = 10.0, 60.0
MIB = 256
GUARD_GIB = 4
LONGEST_MESSAGE = 1500
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN = (
    "compile", "exec", "import", "pickle.", "marshal.", "subprocess.", "os.exec", "os.fork",
    "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "socket.", "ctypes.", "os.mkdir",
    "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
    "os.chown", "os.utime", "os.chdir", "shutil.", "tempfile.", "code.__new__",
    "urllib.", "webbrowser.", "ftplib.", "smtplib.", "os.kill", "signal.", "sys.addaudithook",
)  # fmt: skip


class Finding(NamedTuple):
    """A fault that a case revealed.

    Attributes:
        kind: a few words, equal for equal faults.
        detail: what was observed.
    """

    kind: str
    detail: str


class Guard:
    """Records forbidden audit events while armed; Python cannot remove an audit hook."""

    def __init__(self) -> None:
        self.armed = False
        self.events: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event == "open":
            path, mode, flags = arguments
            if isinstance(flags, int) and flags & _WRITES and path != os.devnull:
                self.events.append(f"open {path!r} to write")
        elif event.startswith(_FORBIDDEN):
            self.events.append(f"{event} {str(arguments)[:200]}")


def judge(target: Target, data: bytes, guard: Guard | None = None) -> tuple[str, Finding | None]:
    """Returns how a case ended ("returned" or an error's type), and its fault if any."""
    if target.file:
        Path(target.file).parent.mkdir(parents=True, exist_ok=True)
        Path(target.file).write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if guard:
                guard.armed = True
            target.parse(data)
            ended, finding = "returned", None
        except Exception as error:
            if guard:
                guard.armed = False
            ended, finding = type(error).__name__, _fault(target, error)
        finally:
            if guard:
                guard.armed = False
    if finding is None and caught:
        first = caught[0]
        where = f"{Path(first.filename).name}:{first.lineno}"
        finding = Finding(f"{first.category.__name__} at {where}", str(first.message))
    return ended, finding


def _fault(target: Target, error: Exception) -> Finding | None:
    """Returns the fault of an error, or None if the parser may raise it."""
    text, where = str(error), _place(error)
    if isinstance(error, AssertionError):
        return Finding(f"wrong result, {text[:40]} ({where})", text)
    if not isinstance(error, target.errors):
        lines = traceback.format_exception(error)
        return Finding(f"{type(error).__name__} in {where}", "".join(lines)[-1500:])
    if "\n" in text.strip() or not text:
        return Finding(f"message of {text.count(chr(10)) + 1} lines in {where}", repr(text[:300]))
    if len(text) > LONGEST_MESSAGE:
        return Finding(f"long message in {where}", f"{len(text)} characters: {text[:300]!r}")
    if not any(name in text for name in target.names):
        return Finding(f"message without a name in {where}", repr(text[:300]))
    chain: BaseException | None = error
    while chain:
        if isinstance(chain, MemoryError):
            return Finding(f"asked for too much memory in {_place(chain)}", repr(text[:300]))
        chain = chain.__cause__ or chain.__context__
    return None


def _place(error: BaseException) -> str:
    """Returns the innermost line of the package in an error's traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "tf_style" in Path(frame.filename).parts]
    frame = (own or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.name}:{frame.lineno}"


def case_strategy(target: Target) -> Any:
    """Returns a hypothesis strategy for a target's cases."""
    return cases(target.seeds(), target.tokens, target.formats)


def run_cases(strategy: Any, count: int, seed_number: int, case: Callable[[bytes], None]) -> None:
    """Calls `case` with `count` cases, which depend on the seed only."""

    @seed(seed_number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=strategy)
    def run(data: bytes) -> None:
        case(data)

    run()


# The process that runs a batch.


def _memory() -> tuple[int, int]:
    """Returns the resident set and its peak, KiB."""
    values = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(("VmRSS", "VmHWM")):
            name, _, value = line.partition(":")
            values[name] = int(value.split()[0])
    return values["VmRSS"], values["VmHWM"]


class Batch:
    """Runs the cases of a batch one by one and writes its findings to files."""

    def __init__(self, name: str, target: Target, folder: Path, skip: int) -> None:
        self._name, self._target, self._folder, self._skip = name, target, folder, skip
        self._box, self._home = folder / "box", folder / "home"
        self.done = 0
        self.ended: Counter[str] = Counter()
        self._smallest: dict[str, int] = {}
        os.chdir(self._box)
        # Load what is imported or computed once (plugins, tables, the codecs of `json`), so that
        # it is not blamed on a case.
        for codec in ("utf-8-sig", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
            codecs.lookup(codec)
        for module in target.extras:
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
        for data in [*target.seeds(), b""]:
            judge(target, data)
        self._before = self._there()
        self._guard = Guard()
        log = (folder / "fault.txt").open("a")
        faulthandler.enable(log)
        for number in (signal.SIGPROF, signal.SIGALRM):
            faulthandler.register(number, log, chain=True)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + GUARD_GIB * 2**30,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def case(self, data: bytes) -> None:
        """Runs a case, unless an earlier process ran it."""
        self.done += 1
        if self.done <= self._skip:
            return
        (self._folder / "case").write_bytes(data)
        (self._folder / "done").write_text(str(self.done))
        with contextlib.suppress(OSError):  # Not permitted everywhere.
            Path("/proc/self/clear_refs").write_text("5")
        before, _ = _memory()
        self._guard.events.clear()
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
        ended, finding = judge(self._target, data, self._guard)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        _, peak = _memory()
        self.ended[ended] += 1
        if finding:
            self._keep(finding, data)
        if peak - before > MIB * 1024:
            detail = f"{(peak - before) / 1024:.0f} MiB for a case of {len(data)} bytes"
            self._keep(Finding(f"memory ({ended})", detail), data)
        for event in self._guard.events:
            if not re.fullmatch(self._target.may, event):
                self._keep(Finding(f"side effect, {event[:60]}", event), data)
        self._look_around(data)

    def _look_around(self, data: bytes) -> None:
        """Records unexpected files and a changed working folder."""
        if Path.cwd() != self._box:
            self._keep(Finding("side effect, chdir", str(Path.cwd())), data)
            os.chdir(self._box)
        if there := self._there() ^ self._before:
            self._keep(Finding("side effect, files", str(sorted(there))), data)
            self._before ^= there

    def _there(self) -> set[str]:
        """Returns the names of all entries of the working folder and the home."""
        return {
            f"{path.name}/{entry.name}"
            for path in (self._box, self._home)
            for entry in os.scandir(path)
        }

    def _keep(self, finding: Finding, data: bytes) -> None:
        if len(data) >= self._smallest.get(finding.kind, sys.maxsize):
            return
        self._smallest[finding.kind] = len(data)
        record = {"target": self._name, **finding._asdict(), "case": data.hex()}
        with (self._folder / "findings").open("a") as file:
            file.write(json.dumps(record) + "\n")


def _run_batch(options: argparse.Namespace) -> None:
    """Runs a batch in this process and writes how its cases ended."""
    reading.MAX_PIXELS = reading.PIL_PIXELS = pillow.PIL_PIXELS = fuzz_targets.MAX_PIXELS
    libvips.MAX_FILE_PIXELS = libvips.MAX_UNPACKED_PIXELS = fuzz_targets.MAX_PIXELS
    Image.MAX_IMAGE_PIXELS = fuzz_targets.MAX_PIXELS
    target = (PLANTED if options.self_test else TARGETS)[options.batch]
    os.chdir(options.folder / "box")
    batch = Batch(options.batch, target, options.folder, options.skip)
    run_cases(case_strategy(target), options.cases, options.seed, batch.case)
    (options.folder / "ended").write_text(json.dumps(batch.ended))


# The process that starts the batches.


class Report:
    """The findings of all batches."""

    def __init__(self) -> None:
        self.findings: dict[tuple[str, str], tuple[Finding, bytes]] = {}
        self.cases = 0

    def add(self, name: str, finding: Finding, data: bytes) -> None:
        """Records a finding with the smallest case of its kind."""
        known = self.findings.get((name, finding.kind))
        if known is None or len(data) < len(known[1]):
            self.findings[name, finding.kind] = finding, data

    def target(self, name: str, cases: int, first_seed: int, *, self_test: bool = False) -> None:
        """Runs a target's batches and prints its row of the table."""
        start, ended, done = time.perf_counter(), Counter[str](), 0
        while done < cases:
            count = min(BATCH, cases - done)
            ended += self._batch(name, count, first_seed + done // BATCH, self_test)
            done += count
        self.cases += done
        kinds = ", ".join(f"{kind} {number}" for kind, number in ended.most_common())
        seconds = time.perf_counter() - start
        print(f"{name:<16} {done:>7} {seconds:>8.1f}  {kinds}", flush=True)

    def _batch(self, name: str, count: int, seed_number: int, self_test: bool) -> Counter[str]:
        """Runs a batch; after a process dies, another one continues with the next case."""
        ended = Counter[str]()
        skip = 0
        while True:
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                for part in ("box", "home"):
                    (folder / part).mkdir()
                command = [sys.executable, str(Path(__file__).resolve()), f"--batch={name}"]
                command += [f"--cases={count}", f"--seed={seed_number}", f"--skip={skip}"]
                command += [f"--folder={folder}", *(["--self_test"] if self_test else [])]
                done = subprocess.run(
                    command, env=_environment(folder), capture_output=True, text=True,
                    errors="replace", check=False,
                )  # fmt: skip
                self._read(folder)
                if done.returncode == 0:
                    return ended + Counter(json.loads((folder / "ended").read_text()))
                if not (folder / "done").exists():
                    raise RuntimeError(f"The fuzzer itself failed:\n{done.stderr[-3000:]}")
                skip = int((folder / "done").read_text())
                fault = (folder / "fault.txt").read_text(errors="replace") + done.stderr[-1500:]
                why = _ending(done.returncode)
                ended[why] += 1
                where = re.findall(r'File ".*?(\w+\.py)", line (\d+) in (\w+)', fault)
                place = ":".join(where[0]) if where else ""
                finding = Finding(f"{why} {place}".strip(), fault[:1500])
                self.add(name, finding, (folder / "case").read_bytes())

    def _read(self, folder: Path) -> None:
        found = folder / "findings"
        for line in found.read_text().splitlines() if found.exists() else []:
            record = json.loads(line)
            finding = Finding(record["kind"], record["detail"])
            self.add(record["target"], finding, bytes.fromhex(record["case"]))

    def print(self, output: Path) -> None:
        """Prints the findings and writes their cases."""
        print(f"{self.cases} cases, {len(self.findings)} findings")
        for index, ((name, kind), (finding, data)) in enumerate(self.findings.items()):
            output.mkdir(parents=True, exist_ok=True)
            path = output / f"{name}-{index}.bin"
            path.write_bytes(data)
            print(f"\n{name}: {kind}\n{finding.detail}\nCase: {path} ({len(data)} bytes)")


def _ending(code: int) -> str:
    if code == -signal.SIGPROF:
        return f"more than {CPU_SECONDS:g} s of computing"
    if code == -signal.SIGALRM:
        return f"more than {WALL_SECONDS:g} s"
    return f"process ended by {signal.Signals(-code).name if code < 0 else f'exit {code}'}"


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
    home = {"HOME": str(folder / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, **home, "PYTHONHASHSEED": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}


def _planted(what: Callable[[bytes], object]) -> Target:
    return Target(lambda: [b"a valid file"], what, ("`file`",))


def _planted_loop(data: bytes) -> None:
    while True:
        pass


def _planted_memory(data: bytes) -> None:
    raise ValueError(f"`file` has {len(np.ones(MIB * 2**18))} values.")


def _planted_message(data: bytes) -> None:
    raise ValueError("invalid literal")


def _planted_code(data: bytes) -> None:
    pickle.loads(b"cbuiltins\nlen\n.")


def _on_damage(fault: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """Returns a parser that accepts the seed, and has a fault on anything else."""
    return lambda data: None if data in (b"a valid file", b"") else fault(data)


PLANTED = {
    name: _planted(_on_damage(fault))
    for name, fault in {
        "KeyError in": lambda data: dict[bytes, int]()[data],
        "message without a name": _planted_message,
        "UserWarning": lambda data: warnings.warn("odd", stacklevel=1),
        "memory": _planted_memory,
        "more than": _planted_loop,
        "side effect, open": lambda data: Path("../home/new").write_bytes(data),
        "side effect, subprocess": lambda data: subprocess.run(["true"], check=False),
        "side effect, pickle": _planted_code,
        "process ended by SIGSEGV": lambda data: os.kill(os.getpid(), signal.SIGSEGV),
    }.items()
}
"""Faulty parsers, by the beginning of the finding's kind."""


def _self_test() -> int:
    """Returns 0 if every planted fault is found and named correctly."""
    missed = []
    for name in PLANTED:
        report = Report()
        report.target(name, 3, 0, self_test=True)
        if not any(kind.startswith(name) for _, kind in report.findings):
            missed.append(name)
    print(f"{len(PLANTED) - len(missed)} of {len(PLANTED)} planted faults found")
    print("\n".join(f"Missed: {name}" for name in missed), end="")
    return 1 if missed else 0


def main() -> int:
    """Runs the fuzzer; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=0, help="decides the cases")
    parser.add_argument("--targets", default=",".join(TARGETS), help="separated by commas")
    parser.add_argument("--output", type=Path, default=Path("fuzz_findings"), help="for cases")
    parser.add_argument("--case", type=Path, help="run only the case in this file")
    parser.add_argument("--self_test", action="store_true", help="look for planted faults")
    for name, kind in (("batch", str), ("skip", int), ("folder", Path)):
        parser.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.batch:
        _run_batch(options)
        return 0
    if options.self_test:
        return _self_test()
    names = options.targets.split(",")
    if unknown := set(names) - set(TARGETS):
        parser.error(f"--targets must be of {', '.join(TARGETS)}; received {', '.join(unknown)}")
    if options.case:
        data = options.case.read_bytes()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            print(*judge(TARGETS[names[0]], data))
        return 0
    report = Report()
    print(f"{'target':<16} {'cases':>7} {'seconds':>8}  how they ended")
    shares = sum(TARGETS[name].share for name in names)
    for index, name in enumerate(names):
        count = round(options.cases * TARGETS[name].share / shares)
        # Seeds are far apart, since a target's batches take consecutive ones.
        report.target(name, count, options.seed * 1_000_000 + index * 1000)
    report.print(options.output)
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
