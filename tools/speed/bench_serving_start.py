"""Times the first minute of `tf_style serve`: after its start, and after a hot swap.

Run: python tools/speed/bench_serving_start.py --model_dir=DIR   (an export, such as models/1;
     three minutes on two cores; --seconds=20 takes one; --flags=--warm_up=false to compare)

Two clients send equal requests for `stylize_png` one after another. A third asks for 10,000 steps
and leaves after a second, again and again. Prints the seconds until /readyz says ready, the first
answer, and p50, p99 and the longest answer of the seconds after the start and after a swap.
"""

import argparse
import base64
import contextlib
import http.client
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

_START = "import sys; from tf_style.cli.main import main; sys.exit(main(['serve', *sys.argv[1:]]))"
_PATH = "/v1/models/tf_style:predict"


def picture(folder: Path) -> str:
    """Returns a picture of 96 px as a PNG file in base64."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    Image.fromarray(pixels).resize((96, 96)).save(folder / "picture.png")
    return base64.b64encode((folder / "picture.png").read_bytes()).decode()


def body(data: str, steps: int) -> str:
    """Returns the body of a request for so many steps."""
    files = {"content_bytes": [{"b64": data}], "style_bytes": [{"b64": data}]}
    inputs = {**files, "size": [96], "num_steps": [steps]}
    return json.dumps({"signature_name": "stylize_png", "inputs": inputs})


def ask(port: int, method: str, path: str, text: str | None = None) -> tuple[int, bytes]:
    """Sends a request; returns the answer's status and body."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=600)) as client:
        client.request(method, path, text)
        answer = client.getresponse()
        return answer.status, answer.read()


def answers(port: int, text: str, end: threading.Event, found: list[tuple[float, float]]) -> None:
    """Sends requests until `end` is set; adds the start and the seconds of each."""
    while not end.is_set():
        began = time.monotonic()
        status, answer = ask(port, "POST", _PATH, text)
        if status != 200:
            raise RuntimeError(f"status {status}: {answer[:200]!r}")
        found.append((began, time.monotonic() - began))


def leave(port: int, text: str, end: threading.Event) -> None:
    """Sends requests and closes the connection after a second, until `end` is set."""
    while not end.is_set():
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as client:
            client.request("POST", _PATH, text)
            time.sleep(1.0)
        end.wait(4.0)


def report(name: str, found: list[tuple[float, float]], since: float, seconds: float) -> None:
    """Prints the latencies of the requests that were sent within some seconds."""
    times = [took for began, took in found if since <= began < since + seconds]
    p50, p99 = np.percentile(times, [50, 99])
    print(
        f"{name}: {len(times)} answers, first {times[0]:.2f} s, p50 {p50:.2f} s, p99 {p99:.2f} s, "
        f"longest {max(times):.2f} s",
        flush=True,
    )


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description="Times the first minute of a server.")
    parser.add_argument("--model_dir", type=Path, required=True, help="an export of tf_style")
    parser.add_argument("--seconds", type=float, default=60.0, help="after the start and the swap")
    parser.add_argument("--flags", default="", help="more flags of the server")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = picture(folder)
        shutil.copytree(given.model_dir, folder / "models" / "1")
        words = [f"--model_dir={folder / 'models'}", "--port=0", *given.flags.split()]
        began = time.monotonic()
        server = subprocess.Popen(
            [sys.executable, "-c", _START, *words], stdout=subprocess.PIPE, text=True
        )
        try:
            measure(server, began, folder, data, given.seconds)
        finally:
            server.kill()
            server.wait()
    return 0


def measure(
    server: subprocess.Popen, began: float, folder: Path, data: str, seconds: float
) -> None:
    """Sends the requests and prints the latencies."""
    lines = iter((server.stdout or sys.stdin).readline, "")
    match = next(m for line in lines if (m := re.search(r"Serving .*:(\d+)/", line)))
    port = int(match[1])
    while ask(port, "GET", "/readyz")[0] != 200:
        time.sleep(0.1)
    print(f"ready after {time.monotonic() - began:.1f} s", flush=True)
    end, found = threading.Event(), list[tuple[float, float]]()
    ready = time.monotonic()
    alone: list[float] = []
    for _ in range(5):
        since = time.monotonic()
        ask(port, "POST", _PATH, body(data, 5))
        alone.append(time.monotonic() - since)
    later = float(np.median(alone[1:]))
    print(f"one client: first answer {alone[0]:.2f} s, later {later:.2f} s", flush=True)
    threads = [threading.Thread(target=answers, args=(port, body(data, 5), end, found))]
    threads.append(threading.Thread(target=answers, args=(port, body(data, 5), end, found)))
    threads.append(threading.Thread(target=leave, args=(port, body(data, 10_000), end)))
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    report("after the start", found, ready, seconds)
    shutil.copytree(folder / "models" / "1", folder / "models" / "2.partial")
    (folder / "models" / "2.partial").rename(folder / "models" / "2")
    copied = time.monotonic()
    swapped = next(time.monotonic() for line in lines if "Version 2 is loaded" in line)
    report(f"while version 2 loads ({swapped - copied:.0f} s)", found, copied, swapped - copied)
    time.sleep(seconds)
    report("after the swap", found, swapped, seconds)
    end.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
