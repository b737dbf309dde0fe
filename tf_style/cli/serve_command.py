"""`tf_style serve`: serves a SavedModel over TensorFlow Serving's REST API until it is stopped."""

import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tf_style._checks import check_choice
from tf_style.cli import flags, process
from tf_style.cli.serve_options import ServeOptions, parse_labels

if TYPE_CHECKING:
    from tf_style.serving.server import Server
    from tf_style.serving.service import Service, Settings
    from tf_style.serving.store import Store


_HEAD = """\
tf_style serve --model_dir=DIR [--port=8501] [--host=127.0.0.1] [--name=tf_style] [flags]
tf_style serve --model_dir=NAME=DIR --model_dir=OTHER=DIR2 [flags]

  Serves a SavedModel over TensorFlow Serving's REST API (v1), with /healthz, /readyz and
  Prometheus's /metrics. DIR holds a folder for each version: 1, 2, ... The newest is served.
  To add a version, copy it under another name and rename it:
  cp -r new DIR/3.partial && mv DIR/3.partial DIR/3
  SIGTERM or Ctrl-C stops the server when all requests are answered; a second one stops it at once.
  There is no encryption and no login. Use a proxy for both."""
_GRACE_S = 5.0
_LEAST_WARM_UP_S = 300.0
_STOPPED_AT_ONCE = 130


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
            "Received: none. See tf_style serve --help."
        )
    _check_packages("serve", ("starlette", "uvicorn", "prometheus_client"))
    if options.grpc_port >= 0:
        _check_packages("grpc", ("grpc", "tensorflow_serving"))
    process.set_environment(quiet=not options.verbose)
    stores = _stores(options)
    _check_batched(options)
    try:
        return _serve(options, stores)
    finally:
        for store in stores.values():
            store.close()


def _check_packages(extra: str, modules: Sequence[str]) -> None:
    """Raises ImportError with the pip command if a package of the extra is missing."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ImportError(
                f"`tf_style serve` needs the package {module}. Run: pip install 'tf-style[{extra}]'"
            ) from error


def _stores(options: ServeOptions) -> "dict[str, Store]":
    """Returns a store for each model, by name; their versions are not loaded yet."""
    from tf_style.serving.store import Store

    for folder in options.folders.values():
        if not folder.is_dir():
            raise FileNotFoundError(
                f"`model_dir` must be an existing folder. Received: model_dir='{folder}'."
            )
    with process.quiet_stderr(not options.verbose):  # TensorFlow's messages at import.
        import tensorflow as tf

        from tf_style.serving.model import SavedModel
        from tf_style.serving.warm_up import warm_up

        if not options.verbose:
            tf.get_logger().setLevel("ERROR")

    def store_of(name: str, folder: Path) -> Store:
        def say(text: str) -> None:
            _say(f"{name}: {text}" if len(options.folders) > 1 else text)

        def load(folder: Path) -> SavedModel:
            model = SavedModel(folder)
            if options.warm_up:
                # A first call prepares the signature, which may take longer than any request.
                timeout_s = max(options.timeout_s, _LEAST_WARM_UP_S)
                warm_up(model, timeout_s=timeout_s, notify=say)
            return model

        return Store(folder, load=load, num_versions=options.num_versions, notify=say)

    return {name: store_of(name, folder) for name, folder in options.folders.items()}


def _check_batched(options: ServeOptions) -> None:
    """Raises ValueError if no newest version can run a signature of `options` in batches.

    It reads the signatures alone, because loading a model and its warm-up take minutes.
    """
    from tf_style.serving.model import read_signatures
    from tf_style.serving.versions import find_versions, fingerprint

    batched = settings_of(options).limits.batched
    models = []
    for folder in options.folders.values() if batched else ():
        versions = find_versions(folder)
        whole = [path for _, path in sorted(versions.items()) if fingerprint(path)]
        with contextlib.suppress(Exception):  # The store tells what is wrong with it.
            models.append(read_signatures(whole[-1]))
    for name in batched if models else ():
        check_choice("batch_signatures", name, sorted(set().union(*models)))
        if not any(name in model and model[name].is_batched for model in models):
            raise ValueError(
                "`batch_signatures` must name signatures whose inputs and outputs all have an "
                f"open first dimension. Received: batch_signatures={name!r}."
            )


def settings_of(options: ServeOptions) -> "Settings":
    """Returns the settings of the service."""
    from tf_style.serving.executor import Limits
    from tf_style.serving.service import Settings

    return Settings(
        labels=parse_labels(options.labels),
        limits=Limits(
            workers=options.num_workers,
            queue=options.max_queue,
            batch=options.max_batch,
            batched=_listed(options.batch_signatures),
        ),
        timeout_s=options.timeout_s,
        body_timeout_s=options.body_timeout_s,
        max_body_bytes=round(options.max_body_mb * 2**20),
        max_values=options.max_values,
        cors_origins=_listed(options.cors_origins),
    )


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _serve(options: ServeOptions, stores: "Mapping[str, Store]") -> int:
    """Answers requests until a signal arrives; returns the exit code.

    The server listens while the models load, so that /healthz and /readyz answer.
    """
    from tf_style.serving.app import make_app
    from tf_style.serving.server import Server
    from tf_style.serving.service import Service

    service = Service(stores, settings_of(options))
    app = make_app(service, on_request=_say if options.access_log else None)
    grace_s = options.timeout_s + _GRACE_S
    try:
        server = Server(app, host=options.host, port=options.port, grace_s=grace_s)
    except OSError as error:
        raise OSError(
            f"`host` and `port` must be an address that is free. Received: host={options.host!r}, "
            f"port={options.port}: {error}."
        ) from error
    rpc = _rpc_server(options, service)
    server.start()
    if rpc is not None:
        rpc.start()
    try:
        for store in stores.values():
            store.start()
    except BaseException:
        if rpc is not None:
            rpc.stop(grace=None)
        server.stop(timeout_s=_GRACE_S)
        raise
    signals = _Signals()
    ended = threading.Event()
    poller = threading.Thread(
        target=_poll, args=(stores.values(), options.poll_s, ended), daemon=True
    )
    with signals:
        poller.start()
        for name, store in stores.items():
            _say(f"Serving version {store.newest} at {server.url}/v1/models/{name}")
        signals.wait(1)
        _say("Finishing open requests, then stopping. A second signal stops at once.")
        ended.set()
        code = _stop(server, rpc, service, stores.values(), signals)
    poller.join(_GRACE_S)
    if poller.is_alive():  # It is loading a version in TensorFlow.
        _leave(code)
    return code


def _rpc_server(options: ServeOptions, service: "Service") -> Any:
    """Returns the gRPC server, which has not started, or None if there is none."""
    if options.grpc_port < 0:
        return None
    from tf_style.serving.rpc import make_server

    try:
        server, port = make_server(service, host=options.host, port=options.grpc_port)
    except RuntimeError as error:
        raise OSError(
            "`host` and `grpc_port` must be an address that is free. Received: "
            f"host={options.host!r}, grpc_port={options.grpc_port}: {error}."
        ) from error
    _say(f"Listening for gRPC on port {port}")
    return server


def _stop(
    server: "Server",
    rpc: Any,
    service: "Service",
    stores: "Iterable[Store]",
    signals: "_Signals",
) -> int:
    """Waits until all requests are answered or a second signal arrives; returns the exit code."""
    service.is_stopping = True
    done = threading.Event()
    clean = []

    def finish() -> None:
        try:
            if rpc is not None:
                rpc.stop(grace=service.settings.timeout_s).wait()
            clean.append(server.stop() and service.stop(timeout_s=_GRACE_S))
        finally:
            done.set()

    threading.Thread(target=finish, daemon=True).start()
    while not done.wait(0.1) and signals.count < 2:
        pass
    if clean == [True]:
        for store in stores:
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


def _poll(stores: "Iterable[Store]", seconds: float, ended: threading.Event) -> None:
    """Checks the folders for new versions until `ended` is set."""
    while not ended.wait(seconds):
        for store in stores:
            try:
                store.poll()
            except Exception as error:  # The loaded versions stay.
                _say(f"The folder of the model could not be checked: {error!r}.")


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # stdout is closed.
        print(text, flush=True)
