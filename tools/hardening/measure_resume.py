"""Kills a run at random moments, resumes it each time, and compares it with an uninterrupted run.

Run: python tools/hardening/measure_resume.py CONTENT STYLE [--kills=20] [--seed=0] [--longest=25]
(15 minutes on two busy cores, with --optimizer=adam too; --longest must leave time to work after
startup)

Both runs are `tf_style` in deterministic mode with two sizes. The second writes a checkpoint after
every slice of ten steps, so that many kills (SIGKILL, at moments drawn uniformly from 0 to
--longest seconds after the start of the process) interrupt a write. Before the first checkpoint,
the command is started again instead. Prints for each kill its moment, the step of the last
checkpoint, and whether a half-written checkpoint was left; at the end, whether the pictures are
equal, and whether the traces hold the same losses at the same steps.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from tf_style.transfer import checkpoints


def main() -> int:
    """Runs, kills, resumes and prints the table; returns 1 if the pictures differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("--kills", type=int, default=20, help="number of kills")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument(
        "--longest", type=float, default=25.0, help="longest time until a kill, seconds"
    )
    parser.add_argument("--size", type=int, default=96, help="px")
    parser.add_argument(
        "--scales", default="0.5:300,1:900", help="with more steps than the kills allow"
    )
    parser.add_argument("--optimizer", default="lbfgs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return _measure(Path(folder), options)


def _measure(folder: Path, options: argparse.Namespace) -> int:
    whole, broken = folder / "whole.png", folder / "broken.png"
    saved = folder / "broken.png.checkpoint"

    def command(output: Path, checkpoint_dir: str) -> list[str]:
        flags = {
            "content": options.content,
            "style": options.style,
            "output": output,
            "trace": output.with_suffix(".jsonl"),
            "size": options.size,
            "scales": options.scales,
            "optimizer": options.optimizer,
            "deterministic": "true",
            "save_every": 10,
            "overwrite": "true",  # The trace of a run that was killed before its first checkpoint.
            "checkpoint_dir": checkpoint_dir,
            "checkpoint_seconds": 0,
        }
        return [f"--{name}={value}" for name, value in flags.items()]

    began = time.perf_counter()
    _start(command(whole, "none")).communicate()
    print(f"uninterrupted: {time.perf_counter() - began:.0f} s")
    print(f"seed {options.seed}, kills at 0 to {options.longest:g} s")
    print("kill  after, s  last checkpoint         half-written")
    moments = random.Random(options.seed)
    for number in range(1, options.kills + 1):
        moment = moments.uniform(0.0, options.longest)
        is_begun = saved.is_dir() and checkpoints.is_in(saved)
        process = _start([f"--resume={saved}"] if is_begun else command(broken, ""))
        try:
            printed = process.communicate(timeout=moment)[0]
            print(f"The run ended before kill {number}: give --scales more steps.\n{printed}")
            return 2
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        where, parts = "none", 0
        if saved.is_dir() and checkpoints.is_in(saved):
            found = checkpoints.newest(saved, argument="resume").description
            where = f"step {found['step']} of {found['num_steps']}"
            parts = len(list(saved.glob(".*.part")))
        print(f"{number:4d}  {moment:8.2f}  {where:22s}  {'yes' if parts else 'no'}", flush=True)
    process = _start([f"--resume={saved}"])
    printed = process.communicate()[0]
    if process.returncode:
        print(printed)
        return 1
    pictures = [np.asarray(Image.open(path)).astype(int) for path in (whole, broken)]
    difference = np.abs(pictures[0] - pictures[1]).max()
    traces = [_losses(path.with_suffix(".jsonl")) for path in (whole, broken)]
    print(f"largest difference of the pictures, of 255: {difference}")
    shared = traces[0].keys() & traces[1].keys()
    same = sum(traces[0][step] == traces[1][step] for step in shared)
    print(f"traces: the same loss at {same} of {len(shared)} steps in both")
    print(f"checkpoints removed: {'no' if saved.exists() else 'yes'}")
    return int(difference > 0 or same < len(shared) or saved.exists())


def _start(flags: list[str]) -> subprocess.Popen:
    command = [sys.executable, "-m", "tf_style", "--quiet", *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _losses(path: Path) -> dict[int, float]:
    """Returns a trace's losses by step.

    Raises:
        ValueError: if a step appears twice.
    """
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    found = {line["step"]: line["loss"] for line in lines}
    if len(found) != len(lines):
        raise ValueError(f"{path} holds a step twice.")
    return found


if __name__ == "__main__":
    sys.exit(main())
