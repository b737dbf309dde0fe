"""`tf_style serve`: serves a SavedModel over TensorFlow Serving's REST API until it is stopped."""

import contextlib
import dataclasses
import importlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from tf_style._checks import check_choice, check_number, shown, user_path
from tf_style.cli import flags, process
from tf_style.config.fields import TypeChecked, option

if TYPE_CHECKING:
    from tf_style.serving.server import Server
    from tf_style.serving.service import Service, Settings
    from tf_style.serving.store import Store


_HEAD = """\
tf_style serve --model_dir=DIR [--port=8501] [--host=127.0.0.1] [--name=tf_style] [flags]

  Serves a SavedModel over TensorFlow Serving's REST API (v1), with /healthz, /readyz and
  Prometheus's /metrics. DIR holds a folder for each version: 1, 2, ... The newest is served.
  To add a version, copy it under another name and rename it:
  cp -r new DIR/3.partial && mv DIR/3.partial DIR/3
  SIGTERM or Ctrl-C stops the server when all requests are answered; a second one stops it at once.
  There is no encryption and no login. Use a proxy for both."""
_GRACE_S = 5.0
_STOPPED_AT_ONCE = 130


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeOptions(TypeChecked):
    """The flags of `tf_style serve`."""

    model_dir: str = option("", "Folder with a folder for each version, or a SavedModel.")
    port: int = option(8501, "Port to listen on; 0 takes any free port.")
    host: str = option(
        "127.0.0.1", "Address to listen on; 0.0.0.0 is every address of the machine."
    )
    name: str = option("tf_style", "Name of the model in URLs: /v1/models/NAME.")
    num_versions: int = option(1, "How many of the newest versions to serve.")
    labels: str = option("", "Names of versions for URLs, as in 'stable:1,canary:2'.")
    poll_s: float = option(
        2.0,
        "Seconds between checks of the folder. A version is loaded when its files are complete and "
        "unchanged between two checks.",
    )
    timeout_s: float = option(300.0, "Seconds that a request may take, including its wait.")
    body_timeout_s: float = option(60.0, "Seconds within which the body of a request must arrive.")
    max_body_mb: float = option(
        64.0, "Largest request body, in MiB. All bodies together may take four times as much."
    )
    max_values: int = option(
        10_000_000,
        "Most values in the JSON of a body. Each takes some 32 bytes while it is parsed.",
    )
    max_queue: int = option(16, "Requests that may wait; more are refused with status 503.")
    num_workers: int = option(1, "Runs of the model at the same time, each with its own memory.")
    batch_signatures: str = option(
        "",
        "Signatures whose first dimension is a batch of independent rows, separated by commas. "
        "Waiting requests of the same shapes are run as one batch.",
    )
    max_batch: int = option(8, "Most rows in one batch of requests.")
    access_log: bool = option(False, "Write a line for each request.")
    verbose: bool = option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = option(False, "Show this help.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("port", self.port, minimum=0, maximum=65535)
        for name in ("num_versions", "max_values", "num_workers", "max_batch"):
            check_number(name, getattr(self, name), minimum=1)
        check_number("max_queue", self.max_queue, minimum=0)
        for name in ("poll_s", "timeout_s", "body_timeout_s"):
            check_number(name, getattr(self, name), minimum=0.05, maximum=1e6)
        check_number("max_body_mb", self.max_body_mb, minimum=0.001, maximum=2048)
        if not self.name or set(self.name) & set("/:"):
            raise ValueError(
                f"`name` must not be empty or contain '/' or ':'. Received: name={self.name!r}."
            )
        parse_labels(self.labels)


def parse_labels(text: str) -> dict[str, int]:
    """Returns the version of each label in a text such as 'stable:1,canary:2'.

    Raises:
        ValueError: if the text has another form.
    """
    labels = {}
    for part in filter(None, text.split(",")):
        label, _, version = part.strip().partition(":")
        number = version.isascii() and version.isdigit() and len(version) < 19
        if not label or not number or "/" in label:
            raise ValueError(
                "`labels` must be of the form 'label:version', separated by commas. "
                f"Received: labels={shown(text)}."
            )
        labels[label] = int(version)
    return labels


def command(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code, 0 if all requests were answered at the stop."""
    table = flags.command_table(ServeOptions)
    options = flags.of_type(
        ServeOptions, flags.parse(flags.make_flags(table), arguments, positional=("model_dir",))
    )
    if options.help:
        print(flags.command_help(_HEAD, "Flags", ServeOptions, table, is_full=True))
        return 0
    if not options.model_dir:
        raise ValueError(
            "`model_dir` must be given, as in: tf_style serve --model_dir=models/painter. "
            "Received: model_dir=''. See tf_style serve --help."
        )
    _check_packages()
    process.set_environment(quiet=not options.verbose)
    store = _load(options)
    try:
        _check_batched(options, store)
        return _serve(options, store)
    finally:
        store.close()


def _check_packages() -> None:
    """Raises ImportError with the pip command if a package of the extra is missing."""
    for module in ("starlette", "uvicorn", "prometheus_client"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ImportError(
                f"`tf_style serve` needs the package {module}. Run: pip install 'tf-style[serve]'"
            ) from error


def _load(options: ServeOptions) -> "Store":
    """Returns a store with the versions in the folder loaded."""
    from tf_style.serving.store import Store

    folder = user_path(options.model_dir)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"`model_dir` must be an existing folder. Received: model_dir='{folder}'."
        )
    with process.quiet_stderr(not options.verbose):  # TensorFlow's messages at import.
        import tensorflow as tf

        from tf_style.serving.model import SavedModel

        if not options.verbose:
            tf.get_logger().setLevel("ERROR")
        store = Store(folder, load=SavedModel, num_versions=options.num_versions, notify=_say)
        store.start()
    return store


def _check_batched(options: ServeOptions, store: "Store") -> None:
    """Raises ValueError if the newest version cannot run a signature of `options` in batches."""
    lease = store.lease()
    if lease is None:  # Cannot happen: the store has started.
        return
    with lease:
        signatures = lease.model.signatures
        for name in settings_of(options).limits.batched:
            check_choice("batch_signatures", name, sorted(signatures))
            if not signatures[name].is_batched:
                raise ValueError(
                    "`batch_signatures` must name signatures whose inputs and outputs all have an "
                    f"open first dimension. Received: batch_signatures={name!r}."
                )


def settings_of(options: ServeOptions) -> "Settings":
    """Returns the settings of the service."""
    from tf_style.serving.executor import Limits
    from tf_style.serving.service import Settings

    return Settings(
        name=options.name,
        labels=parse_labels(options.labels),
        limits=Limits(
            workers=options.num_workers,
            queue=options.max_queue,
            batch=options.max_batch,
            batched=[name.strip() for name in options.batch_signatures.split(",") if name.strip()],
        ),
        timeout_s=options.timeout_s,
        body_timeout_s=options.body_timeout_s,
        max_body_bytes=round(options.max_body_mb * 2**20),
        max_values=options.max_values,
    )


def _serve(options: ServeOptions, store: "Store") -> int:
    """Answers requests until a signal arrives; returns the exit code."""
    from tf_style.serving.app import make_app
    from tf_style.serving.server import Server
    from tf_style.serving.service import Service

    service = Service(store, settings_of(options))
    app = make_app(service, on_request=_say if options.access_log else None)
    grace_s = options.timeout_s + _GRACE_S
    try:
        server = Server(app, host=options.host, port=options.port, grace_s=grace_s)
    except OSError as error:
        raise OSError(
            f"`host` and `port` must be an address that is free. Received: host={options.host!r}, "
            f"port={options.port}: {error}."
        ) from error
    signals = _Signals()
    ended = threading.Event()
    poller = threading.Thread(target=_poll, args=(store, options.poll_s, ended), daemon=True)
    with signals:
        server.start()
        poller.start()
        _say(f"Serving version {service.newest} at {server.url}/v1/models/{options.name}")
        signals.wait(1)
        _say("Finishing open requests, then stopping. A second signal stops at once.")
        ended.set()
        code = _stop(server, service, store, signals)
    poller.join(_GRACE_S)
    if poller.is_alive():  # It is loading a version in TensorFlow.
        _leave(code)
    return code


def _stop(server: "Server", service: "Service", store: "Store", signals: "_Signals") -> int:
    """Waits until all requests are answered or a second signal arrives; returns the exit code."""
    service.is_stopping = True
    done = threading.Event()
    clean = []

    def finish() -> None:
        try:
            clean.append(server.stop() and service.stop(timeout_s=_GRACE_S))
        finally:
            done.set()

    threading.Thread(target=finish, daemon=True).start()
    while not done.wait(0.1) and signals.count < 2:
        pass
    if clean == [True]:
        store.close()
        _say("Stopped.")
        return 0
    _leave(_STOPPED_AT_ONCE)


def _leave(code: int) -> NoReturn:
    """Ends the process while a thread is busy in TensorFlow and cannot be joined."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class _Signals:
    """A context manager that counts SIGINT and SIGTERM."""

    def __init__(self) -> None:
        self.count = 0
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> "_Signals":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, *_: object) -> None:
        self.count += 1

    def wait(self, count: int) -> None:
        """Waits until `count` signals have arrived."""
        pause = threading.Event()
        while self.count < count:
            pause.wait(0.1)


def _poll(store: "Store", seconds: float, ended: threading.Event) -> None:
    """Checks the folder for new versions until `ended` is set."""
    while not ended.wait(seconds):
        try:
            store.poll()
        except Exception as error:  # The loaded versions stay.
            _say(f"The folder of the model could not be checked: {error!r}.")


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # stdout is closed.
        print(text, flush=True)
