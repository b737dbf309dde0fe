"""`tf_style serve`: serves a SavedModel over TensorFlow Serving's REST API."""

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
from tf_style.config.fields import TypeChecked, option, typed_fields

if TYPE_CHECKING:
    from tf_style.serving.server import Server
    from tf_style.serving.service import Service, Settings
    from tf_style.serving.store import Store


_HEAD = """\
tf_style serve --model_dir=DIR [--port=8501] [--host=127.0.0.1] [--name=tf_style] [flags]

  Serves a SavedModel over TensorFlow Serving's REST API (v1), with /healthz, /readyz and
  Prometheus's /metrics. DIR holds a folder for each version, 1, 2, ...; the newest is served.
  Add a version by copying it under another name and renaming it: cp -r new DIR/3.partial &&
  mv DIR/3.partial DIR/3. SIGTERM or Ctrl-C stops it when the requests it has are answered, a
  second one at once. There is no encryption and no login: leave those to a proxy."""
_GRACE_S = 5.0
_STOPPED_AT_ONCE = 130


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeOptions(TypeChecked):
    """The flags of `tf_style serve`."""

    model_dir: str = option("", "Folder with a folder for each version, or a SavedModel itself.")
    port: int = option(8501, "Port to listen on; 0 takes any free one.")
    host: str = option("127.0.0.1", "Address to listen on; 0.0.0.0 is every one of this machine.")
    name: str = option("tf_style", "The model's name in the paths: /v1/models/NAME.")
    num_versions: int = option(1, "How many versions are served at a time: the newest.")
    labels: str = option("", "Names of versions for the paths, as in 'stable:1,canary:2'.")
    poll_s: float = option(
        2.0,
        "Seconds between looks at the folder. A version is loaded when its files are complete and "
        "the same at two looks.",
    )
    timeout_s: float = option(300.0, "Seconds that a request may take, its wait in the queue too.")
    body_timeout_s: float = option(60.0, "Seconds in which a request's body must arrive.")
    max_body_mb: float = option(
        64.0, "Largest body, in units of 2**20 bytes; four times that are held at a time."
    )
    max_values: int = option(
        10_000_000, "Largest number of values in a body's JSON; each takes some 32 bytes at first."
    )
    max_queue: int = option(16, "Requests that may wait; others are told to come again (503).")
    num_workers: int = option(1, "Runs of the model at a time, each with its own memory.")
    batch_signatures: str = option(
        "",
        "Signatures whose first dimension is a batch of independent rows, separated by commas: "
        "their waiting requests of the same shapes are run as one.",
    )
    max_batch: int = option(8, "Most rows in one run of several requests.")
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
                "`name` must not be empty, nor have '/' or ':' in it. "
                f"Received: name={self.name!r}."
            )
        parse_labels(self.labels)


def parse_labels(text: str) -> dict[str, int]:
    """Returns versions by label, from text as 'stable:1,canary:2'.

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
    """Runs the command; returns the exit code: 0 once it was stopped and all was answered."""
    table = list(typed_fields(ServeOptions))
    options = flags.of_type(ServeOptions, flags.parse(flags.make_flags(table), arguments))
    if options.help:
        print("\n".join([_HEAD, *flags.help_lines("Flags", table)]))
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
    """Raises ImportError, with pip's command, if the extra is not installed."""
    for module in ("starlette", "uvicorn", "prometheus_client"):
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ImportError(
                f"`tf_style serve` needs the package {module}. Run: pip install 'tf_style[serve]'"
            ) from error


def _load(options: ServeOptions) -> "Store":
    """Returns the store with the versions that are there."""
    from tf_style.serving.store import Store

    folder = user_path(options.model_dir)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"`model_dir` must be an existing folder. Received: model_dir='{folder}'."
        )
    with process.quiet_stderr(not options.verbose):  # TensorFlow's greetings.
        import tensorflow as tf

        from tf_style.serving.model import SavedModel

        if not options.verbose:
            tf.get_logger().setLevel("ERROR")
        store = Store(folder, load=SavedModel, num_versions=options.num_versions, notify=_say)
        store.start()
    return store


def _check_batched(options: ServeOptions, store: "Store") -> None:
    """Raises ValueError if a signature to be batched cannot be, in the newest version."""
    lease = store.lease()
    if lease is None:  # Not after a start.
        return
    with lease:
        signatures = lease.model.signatures
        for name in settings_of(options).limits.batched:
            check_choice("batch_signatures", name, sorted(signatures))
            if not signatures[name].is_batched:
                raise ValueError(
                    "`batch_signatures` must name signatures whose every input and output has an "
                    f"open first dimension. Received: batch_signatures={name!r}."
                )


def settings_of(options: ServeOptions) -> "Settings":
    """Returns the options in a service's words."""
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
    """Answers until a signal comes; returns the exit code."""
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
        _say("Stopping when the requests are answered; a second signal stops at once.")
        ended.set()
        code = _stop(server, service, store, signals)
    poller.join(_GRACE_S)
    if poller.is_alive():  # It loads a version, deep in TensorFlow.
        _leave(code)
    return code


def _stop(server: "Server", service: "Service", store: "Store", signals: "_Signals") -> int:
    """Waits for the requests there are, or for a second signal; returns the exit code."""
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
    """Ends the process although a thread is deep in TensorFlow and cannot be joined."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class _Signals:
    """Counts SIGINT and SIGTERM while it is entered."""

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
        """Returns when so many have come."""
        pause = threading.Event()
        while self.count < count:
            pause.wait(0.1)


def _poll(store: "Store", seconds: float, ended: threading.Event) -> None:
    while not ended.wait(seconds):
        try:
            store.poll()
        except Exception as error:  # What is served goes on being served.
            _say(f"The folder of the model could not be looked at: {error!r}.")


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # Nobody reads it any more.
        print(text, flush=True)
