"""Sends good and bad requests to `tf_style serve` and checks every answer.

Run: python tools/hardening/load_test.py                          (a toy model; about a minute)
     python tools/hardening/load_test.py --model_dir=DIR --signatures=features --requests=100
     python tools/hardening/load_test.py --model_dir=DIR --url=http://127.0.0.1:8501/v1/models/NAME
(the last needs a server with --max_body_mb=4 --max_values=1000000 --body_timeout_s=2)

Clients in threads send random good requests for the model's signatures, mixed with bad ones:
truncated text and pictures, decompression bombs, wrong types, shapes and names, bodies that are too
large or too slow. Some clients leave before they are answered, from an endless run of the toy
model. While requests go on, the toy model is replaced by a new version. A good request must get
exactly the outputs of the model in this process; a bad one must get the status that names its
defect. Prints requests per second, latencies, wrong answers, and the server's memory over time. The
exit code is 1 if an answer was wrong. For the first minute after a start, see
tools/speed/bench_serving_start.py.
"""

import argparse
import base64
import collections
import concurrent.futures
import contextlib
import dataclasses
import http.client
import itertools
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tf_style.cli import process

process.set_environment()

import tensorflow as tf  # noqa: E402

from tf_style.serving.errors import RequestError  # noqa: E402
from tf_style.serving.json_arrays import to_array  # noqa: E402
from tf_style.serving.model import SavedModel  # noqa: E402
from tf_style.serving.rest import response_text  # noqa: E402
from tf_style.serving.signatures import Signature, TensorInfo  # noqa: E402
from tf_style.serving.versions import find_versions  # noqa: E402

_START = "import sys; from tf_style.cli.main import main; sys.exit(main(['serve', *sys.argv[1:]]))"
_BODY_TIMEOUT_S = 2.0
_MAX_BODY_MB = 4


@dataclasses.dataclass(frozen=True)
class Case:
    """A request with its correct answer.

    Attributes:
        kind: "good: SIGNATURE", or its defect.
        body: the body of the request.
        statuses: the correct statuses.
        outputs: the expected outputs by name; None for a bad request.
        path: appended to the model's path.
        chunk: bytes sent at a time, 0.5 s apart; 0 sends all at once.
        leaves: whether the client closes the connection before the answer.
    """

    kind: str
    body: bytes
    statuses: tuple[int, ...]
    outputs: dict[str, np.ndarray] | None = None
    path: str = ":predict"
    chunk: int = 0
    leaves: bool = False


class Toy(tf.Module):
    """A model for a load test, with numbers and pictures."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 4], tf.float32, "x"),
            tf.TensorSpec([None], tf.float32, "amount"),
        ]
    )
    def add(self, x: tf.Tensor, amount: tf.Tensor = tf.constant([10.0])) -> dict:  # noqa: B008
        """Adds a number to each row."""
        return {"y": x + amount[:, tf.newaxis]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "content_bytes")])
    def invert_png(self, content_bytes: tf.Tensor) -> dict:
        """Turns pictures into their negatives."""

        def one(data: tf.Tensor) -> tf.Tensor:
            size = tf.io.decode_raw(tf.strings.substr(data, 16, 8), tf.int32, little_endian=False)
            small = tf.debugging.assert_less(
                tf.reduce_prod(tf.cast(size, tf.int64)),
                tf.constant(10_000_000, tf.int64),
                message="`content_bytes` must be small.",
            )
            with tf.control_dependencies([small]):
                image = tf.io.decode_png(data, channels=3)
            return tf.io.encode_png(255 - image)

        return {"png_bytes": tf.map_fn(one, content_bytes)}

    # Of one row, so that an endless run is shared with no other request.
    @tf.function(input_signature=[tf.TensorSpec([1], tf.int32, "steps")])
    def count(self, steps: tf.Tensor) -> dict:
        """Counts to a number."""
        end = tf.while_loop(lambda n: n < steps[0], lambda n: [n + 1], [tf.constant(0)])[0]
        return {"steps": end[tf.newaxis]}


def write_toy(folder: Path) -> None:
    """Writes the toy model as version 1."""
    toy = Toy()
    signatures = {"add": toy.add, "invert_png": toy.invert_png, "count": toy.count}
    tf.saved_model.save(toy, str(folder / "1"), signatures)


def random_input(name: str, info: TensorInfo, rng: np.random.Generator) -> np.ndarray:
    """Returns a random value for an input: pictures for `..._bytes`, words, or numbers 0..1."""
    open_sizes = itertools.chain([1], itertools.repeat(int(rng.integers(32, 48))))
    shape = [next(open_sizes) if size is None else size for size in info.shape or ()]
    if info.dtype == object:
        array = np.empty(shape, object)
        for index in np.ndindex(*shape):
            height, width = rng.integers(32, 64, 2)
            pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
            word = f"word {height}".encode()
            array[index] = tf.io.encode_png(pixels).numpy() if name in _pictures([name]) else word
        return array
    if info.dtype.kind in "iub":
        return rng.integers(0, 2, shape).astype(info.dtype)
    return rng.uniform(size=shape).astype(info.dtype)


def _pictures(names: Iterable[str]) -> list[str]:
    """Returns the names that take pictures, by TensorFlow Serving's naming rule."""
    return [name for name in names if name.endswith("_bytes")]


def as_json(array: np.ndarray) -> Any:
    """Returns an array in a form that `json.dumps` accepts."""
    if array.dtype != object:
        return array.astype(np.float64).tolist() if array.dtype.kind == "V" else array.tolist()
    if array.ndim:
        return [as_json(np.asarray(part, object)) for part in array]
    return {"b64": base64.b64encode(array.item()).decode()}


def document(signature: str, inputs: dict[str, Any]) -> bytes:
    """Returns the body of a request in column format."""
    return json.dumps({"signature_name": signature, "inputs": inputs}).encode()


def good_case(
    model: SavedModel, signature: Signature, fixed: dict[str, Any], rng: np.random.Generator
) -> Case:
    """Returns a random request for a signature, with the outputs of the model in this process.

    Raises:
        RequestError: if JSON cannot carry the inputs or outputs, or the model rejects them.
    """
    for name in signature.required:
        if signature.inputs[name].dtype.kind == "c":
            raise RequestError(501, f"JSON has no numbers for its input {name!r}.")
    inputs = {name: random_input(name, signature.inputs[name], rng) for name in signature.required}
    for name, value in fixed.items():
        if name in signature.inputs:
            inputs[name] = to_array(value, signature.inputs[name], name)
    outputs = model.run(signature, {**signature.defaults, **inputs}, timeout_s=600)
    response_text(outputs, signature, as_rows=False)
    sent = {name: as_json(array) for name, array in inputs.items()}
    return Case(f"good: {signature.name}", document(signature.name, sent), (200,), outputs)


def bad_cases(model: SavedModel, signatures: list[Signature]) -> list[Case]:
    """Returns a bad request for each defect."""
    first = signatures[0]
    name = first.required[0] if first.required else next(iter(first.inputs))
    cases = [
        Case("garbage", b"instances = [1, 2]", (400,)),
        Case("no text", b"\xff\xfe\x00", (400,)),
        Case("cut off", document(first.name, {name: [1.0]})[:-3], (400,)),
        Case("nested deeply", b'{"inputs": ' + b"[" * 50_000, (400,)),
        Case("unknown signature", document("no such one", {}), (400,)),
        Case("unknown input", document(first.name, {"no such one": [1]}), (400,)),
        Case("unknown version", b"{}", (404,), path="/versions/999999:predict"),
        Case("classify", b"{}", (400,), path=":classify"),
        Case("wrong type", document(first.name, {name: [[None]]}), (400,)),
        Case("oversize body", b" " * ((_MAX_BODY_MB + 1) * 2**20), (413,)),
        Case("huge array", document(first.name, {name: [0] * 1_000_001}), (413,)),
        Case("slow body", document(first.name, {name: [1.0] * 200}), (408,), chunk=10),
    ]
    for signature in signatures:
        numbers = [n for n in signature.required if signature.inputs[n].shape is not None]
        if numbers:
            inputs = {n: np.zeros([1, 2, 3, 4, 5]).tolist() for n in signature.required}
            cases.append(Case("wrong shape", document(signature.name, inputs), (400,)))
        if _pictures(signature.required):
            cases += picture_cases(signature)
    return cases


def picture_cases(signature: Signature) -> list[Case]:
    """Returns requests with damaged pictures."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    picture = tf.io.encode_png(pixels).numpy()
    texts = {
        "base64 cut off": base64.b64encode(picture).decode()[:-3],
        "no base64": "*" * 40,
        "picture cut off": base64.b64encode(picture[: len(picture) // 2]).decode(),
        "no picture": base64.b64encode(b"no picture").decode(),
        "bomb": base64.b64encode(png_bomb(12_000)).decode(),
    }
    return [
        Case(
            kind,
            document(
                signature.name, {name: [{"b64": text}] for name in _pictures(signature.required)}
            ),
            (400,),
        )
        for kind, text in texts.items()
    ]


def png_bomb(side: int) -> bytes:
    """Returns a PNG of `side * side` gray pixels, compressed to a thousandth of that."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(side * (side + 1)), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@dataclasses.dataclass(frozen=True)
class Found:
    """The outcome of a request."""

    case: Case
    status: int
    seconds: float
    fault: str = ""


class Client:
    """A client with a connection that is reopened when the server closes it."""

    def __init__(self, url: str, tolerance: float, model: SavedModel) -> None:
        parts = urllib.parse.urlsplit(url)
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path
        self._tolerance = tolerance
        self._model = model
        self._connection: http.client.HTTPConnection | None = None

    def send(self, case: Case) -> Found:
        """Sends a request and checks the answer."""
        began = time.monotonic()
        try:
            if case.leaves:
                return self._left(case)
            status, body = self._exchange(case)
        except (OSError, http.client.HTTPException) as error:
            self._connection = None
            return Found(case, 0, time.monotonic() - began, f"no answer: {error!r}")
        seconds = time.monotonic() - began
        if status not in case.statuses:
            return Found(case, status, seconds, f"status {status}: {body[:300]!r}")
        fault = ""
        if case.outputs is not None:
            fault = self._difference(case, json.loads(body)["outputs"])
        elif "error" not in json.loads(body):
            fault = "no error text"
        return Found(case, status, seconds, fault)

    def _left(self, case: Case) -> Found:
        """Sends a request and leaves; the next good requests show whether its run has ended."""
        connection = http.client.HTTPConnection(self._host or "", self._port, timeout=600)
        with contextlib.closing(connection):
            connection.request("POST", self._path + case.path, case.body)
            time.sleep(0.1)
        return Found(case, 0, 0.1)

    def _exchange(self, case: Case) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host or "", self._port, timeout=600)
        connection = self._connection
        connection.putrequest("POST", self._path + case.path)
        connection.putheader("Content-Length", str(len(case.body)))
        connection.endheaders()
        # A server that rejects a body stops reading it, and may have answered already.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for start in range(0, len(case.body), case.chunk or len(case.body)):
                connection.send(case.body[start : start + (case.chunk or len(case.body))])
                if case.chunk:
                    time.sleep(0.5)
        response = connection.getresponse()
        body = response.read()
        if response.will_close:
            connection.close()
            self._connection = None
        return response.status, body

    def _difference(self, case: Case, values: Any) -> str:
        """Returns how an answer differs from the model's outputs, or an empty text."""
        signature = self._model.signatures[case.kind.removeprefix("good: ")]
        expected = case.outputs or {}
        if len(expected) == 1:
            values = {next(iter(expected)): values}
        for name, array in expected.items():
            found = to_array(values[name], signature.outputs[name], name)
            if found.shape != array.shape:
                return f"{name} has the shape {found.shape}, not {array.shape}"
            if array.dtype == object or not self._tolerance:
                if not np.array_equal(found, array, equal_nan=array.dtype.kind == "f"):
                    return f"{name} differs"
            else:
                error = np.abs(found.astype(np.float64) - array.astype(np.float64)).max(initial=0)
                if error > self._tolerance * np.abs(array.astype(np.float64)).max(initial=1):
                    return f"{name} differs by {error:.3g}"
        return ""


@contextlib.contextmanager
def started_server(folder: Path, signatures: list[Signature]) -> Iterator[str]:
    """Starts `tf_style serve` in its own process; yields the model's URL."""
    flags = [
        f"--model_dir={folder}",
        "--port=0",
        f"--max_body_mb={_MAX_BODY_MB}",
        "--max_values=1000000",
        f"--body_timeout_s={_BODY_TIMEOUT_S}",
        f"--batch_signatures={','.join(s.name for s in signatures if s.is_batched)}",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", _START, *flags], stdout=subprocess.PIPE, text=True
    )
    try:
        for line in process.stdout or []:
            match = re.search(r"Serving version \d+ at (\S+)", line)
            if match:
                break
        else:
            raise RuntimeError("The server did not start.")
        yield match[1]
        process.terminate()
        code = process.wait(60)
        print(f"The server stopped with code {code}.")
    finally:
        process.kill()
        process.wait()


def server_metric(url: str, name: str) -> float:
    """Returns one of the server's metrics, summed over its labels."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if re.match(rf"{name}[ {{]", line)
    )


def watch_memory(url: str, ended: threading.Event, samples: list[float]) -> None:
    """Appends the server's resident memory, MiB, every half second."""
    while not ended.wait(0.5):
        with contextlib.suppress(OSError, http.client.HTTPException):
            samples.append(server_metric(url, "process_resident_memory_bytes") / 2**20)


def run_clients(
    cases: list[Case], num_clients: int, make_client: Callable[[], Client]
) -> tuple[list[Found], float]:
    """Sends all cases from `num_clients` clients; returns the outcomes and the seconds."""
    shares = [cases[index::num_clients] for index in range(num_clients)]

    def work(share: list[Case]) -> list[Found]:
        client = make_client()
        return [client.send(case) for case in share]

    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(num_clients) as pool:
        found = list(itertools.chain.from_iterable(pool.map(work, shares)))
    return found, time.monotonic() - began


def report(found: list[Found], seconds: float, num_clients: int, memory: list[float]) -> int:
    """Prints the outcomes; returns the number of wrong answers."""
    good = [each for each in found if each.case.outputs is not None]
    slow = [each for each in found if each.case.chunk]
    busy = seconds - sum(each.seconds for each in slow) / num_clients
    print(
        f"{len(found)} requests from {num_clients} clients in {seconds:.1f} s; "
        f"{(len(found) - len(slow)) / busy:.0f} per second while no client is slow on purpose"
    )
    print(f"{'kind':24s} {'count':>5s} {'wrong':>5s} {'p50 ms':>8s} {'p99 ms':>8s}  statuses")
    for kind in sorted({each.case.kind for each in found}):
        these = [each for each in found if each.case.kind == kind]
        p50, p99 = np.percentile([1e3 * each.seconds for each in these], [50, 99])
        statuses = dict(collections.Counter(each.status for each in these))
        wrong = sum(bool(each.fault) for each in these)
        print(f"{kind:24s} {len(these):5d} {wrong:5d} {p50:8.1f} {p99:8.1f}  {statuses}")
    faults = [each for each in found if each.fault]
    for each in faults[:10]:
        print(f"WRONG {each.case.kind}: {each.fault}")
    refused = sum(each.status >= 500 for each in good)
    p50, p99 = np.percentile([1e3 * each.seconds for each in good], [50, 99])
    print(f"good requests: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {refused} answered with 5xx")
    print(f"wrong answers: {len(faults)}")
    marks = np.linspace(0, len(memory) - 1, 6).round().astype(int)
    levels = ", ".join(f"{memory[mark]:.0f}" for mark in marks)
    print(f"server's memory over the run, MiB: {levels}; most {max(memory):.0f}")
    return len(faults)


def main() -> int:
    """Runs the test; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model_dir", help="versions or a SavedModel [a toy model]")
    parser.add_argument("--url", help="URL of a running server's model [starts a server]")
    parser.add_argument("--signatures", help="separated by commas [all that JSON can carry]")
    parser.add_argument("--inputs", default="{}", help="JSON object of inputs with fixed values")
    parser.add_argument("--requests", type=int, default=600, help="number of requests")
    parser.add_argument("--bad", type=float, default=0.4, help="share of bad requests")
    parser.add_argument("--clients", type=int, default=4, help="number of clients")
    parser.add_argument(
        "--distinct", type=int, default=20, help="different good requests for each signature"
    )
    parser.add_argument(
        "--tolerance", type=float, default=0.0, help="of outputs, relative to the largest value"
    )
    options = parser.parse_args()
    tf.get_logger().setLevel("ERROR")
    with contextlib.ExitStack() as stack:
        is_toy = not options.model_dir
        if options.model_dir:
            folder = Path(options.model_dir)
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            write_toy(folder)
        versions = find_versions(folder)
        model = SavedModel(versions[max(versions)])
        names = options.signatures.split(",") if options.signatures else sorted(model.signatures)
        signatures = [model.signatures[name] for name in names]
        rng = np.random.default_rng(0)
        fixed = json.loads(options.inputs)
        good: list[Case] = []
        for signature in list(signatures):
            try:
                good += [good_case(model, signature, fixed, rng) for _ in range(options.distinct)]
            except RequestError as error:
                print(f"{signature.name} is skipped: {error.message}")
                signatures.remove(signature)
        endless = document("count", {"steps": [2**31 - 1]}) if is_toy else good[0].body
        bad = [*bad_cases(model, signatures), Case("leaves", endless, (), leaves=True)]
        cases = pick(good, bad, options.requests, options.bad, rng)
        url = options.url or stack.enter_context(started_server(folder, signatures))
        if is_toy:
            shutil.copytree(folder / "1", folder / "2.partial")
            (folder / "2.partial").rename(folder / "2")  # Loaded while the clients send.
        memory: list[float] = []
        ended = threading.Event()
        watcher = threading.Thread(target=watch_memory, args=(url, ended, memory))
        watcher.start()
        found, seconds = run_clients(
            cases, options.clients, lambda: Client(url, options.tolerance, model)
        )
        time.sleep(1.0)
        ended.set()
        watcher.join()
        wrong = report(found, seconds, options.clients, memory)
        runs = server_metric(url, "tf_style_run_seconds_count")
        rows = server_metric(url, "tf_style_batch_rows_sum")
        print(f"runs of the model since the server started: {runs:.0f}, with {rows:.0f} rows")
    return 1 if wrong else 0


def pick(
    good: list[Case], bad: list[Case], count: int, share: float, rng: np.random.Generator
) -> list[Case]:
    """Returns `count` random cases; this share of them is bad."""
    kinds = [bad if rng.uniform() < share else good for _ in range(count)]
    return [kind[int(rng.integers(len(kind)))] for kind in kinds]


if __name__ == "__main__":
    sys.exit(main())
