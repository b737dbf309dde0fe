"""The command line: absl flags made from the config's fields, and the only printing.

    tf_style --content=photo.jpg --style=painting.jpg --output=out.png [flags]
    tf_style fetch_weights [--weights=...]

Exit codes: 0 done, 2 wrong input (one line on stderr), 130 stopped by the user.
"""

import contextlib
import dataclasses
import functools
import json
import os
import queue
import signal
import sys
import tempfile
import textwrap
import threading
import traceback
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from absl import flags

from tf_style import _runtime, config, progress_bar
from tf_style._version import __version__

if TYPE_CHECKING:
    from tf_style.inputs import Inputs
    from tf_style.transfer import Progress, StyleResult

_MAX_CONFIG_BYTES = 1_000_000


def _option(default: Any, help_text: str) -> Any:
    return dataclasses.field(default=default, metadata={"help": help_text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The flags that do not change the picture."""

    content: str = _option("", "The photograph.")
    style: str = _option("", "The painting.")
    output: str = _option("", "The result: .png, .jpg, .webp or .tif.")
    config: str = _option(
        "", "Take every setting from this JSON file, or from a picture that tf_style made."
    )
    save_config: str = _option("", "Write all settings to this JSON file, for --config.")
    save_every: int = _option(
        0, "Also keep the picture about every so many steps, as OUTPUT_00100.png; 0 is off."
    )
    trace: str = _option(
        "", "Write a line of JSON for each slice of steps: evaluations, seconds, loss terms."
    )
    quiet: bool = _option(False, "Show no progress.")
    verbose: bool = _option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = _option(False, "Show this help.")
    version: bool = _option(False, "Show the version.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbose = any(argument in ("--verbose", "-verbose") for argument in arguments)
    try:
        if arguments[:1] == ["fetch_weights"]:
            return _fetch_weights(arguments[1:])
        return _run(arguments)
    except BrokenPipeError:  # As in `tf_style --help | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (flags.Error, ValueError, TypeError, OSError, FloatingPointError, MemoryError) as error:
        if verbose or _is_bug(error):
            traceback.print_exc()
        else:
            print(f"tf_style: {_one_line(error)}", file=sys.stderr)
        return 2


def make_flags(names: Sequence[str] | None = None) -> flags.FlagValues:
    """Returns absl flags for every option of the config and the run, with their defaults.

    Args:
        names: only these; all if left out.
    """
    define = {
        str: flags.DEFINE_string,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_boolean,
    }
    values = flags.FlagValues()
    run_types = typing.get_type_hints(RunOptions)
    table = [(field, run_types[field.name]) for field in dataclasses.fields(RunOptions)]
    table += [(field, kind) for _, field, kind in config.FIELDS.values()]
    for field, kind in table:
        if names is not None and field.name not in names:
            continue
        default = field.default
        if isinstance(default, tuple):
            default = ",".join(f"{name}:{weight:g}" for name, weight in default)
        help_text = field.metadata["help"]
        define.get(kind, flags.DEFINE_string)(field.name, default, help_text, flag_values=values)
    return values


def help_text() -> str:
    """Returns the text of `--help`."""
    lines = [
        "tf_style paints a photograph in the style of a painting.",
        "",
        "  tf_style --content=photo.jpg --style=painting.jpg --output=out.png [flags]",
        "  tf_style fetch_weights [--weights=...]   fetches the network's weights ahead of time",
    ]
    groups: dict[str, list[dataclasses.Field]] = {"Pictures and files": []}
    groups["Pictures and files"] += dataclasses.fields(RunOptions)
    titles = {"": "Main settings", "network": "Network", "loss": "Loss", "optimizer": "Optimizer"}
    for group, field, _ in config.FIELDS.values():
        groups.setdefault(titles[group], []).append(field)
    values = make_flags()
    for title, fields in groups.items():
        lines += ["", f"{title}:"]
        for field in fields:
            default = values[field.name].default
            shown = "" if default in ("", False, None) else f" [{default}]"
            lines.append(f"  --{field.name}")
            text = field.metadata["help"] + shown
            lines += textwrap.wrap(text, 92, initial_indent=" " * 6, subsequent_indent=" " * 6)
    presets = ", ".join(config.PRESETS)
    lines += ["", f"Presets: {presets}. Switch a flag off with --noFLAG or --FLAG=false.", ""]
    return "\n".join(lines)


def _run(arguments: list[str]) -> int:
    values = _parse(make_flags(), arguments)
    if values.help:
        print(help_text())
        return 0
    if values.version:
        print(f"tf_style {__version__}")
        return 0
    run = RunOptions(
        **{field.name: values[field.name].value for field in dataclasses.fields(RunOptions)}
    )
    settings = _settings(values, run)
    missing = [f"--{name}" for name in ("content", "style", "output") if not getattr(run, name)]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} must be given, as in: tf_style --content=photo.jpg "
            "--style=painting.jpg --output=out.png. See tf_style --help."
        )
    if run.save_every < 0:
        raise ValueError(f"`save_every` must be at least 0. Received: save_every={run.save_every}.")

    from tf_style import saving
    from tf_style.inputs import prepare_inputs

    sources = [run.content, run.style]
    sources += [settings.init] if settings.init not in config.INITS else []
    sources += [run.config] if run.config else []
    sources += [settings.network.weights] if Path(settings.network.weights).is_file() else []
    saving.check_output(run.output, inputs=sources)
    for name in ("trace", "save_config"):
        path = getattr(run, name)
        if path:
            saving.check_writable(path, argument=name, inputs=[*sources, run.output])
    inputs = prepare_inputs(run.content, run.style, settings)
    saving.check_output(run.output, inputs=sources, size=inputs.content.shape[1:3])
    if run.save_config:
        text = settings.to_json().encode()
        saving.write_atomically(Path(run.save_config), lambda file: file.write(text))

    _runtime.set_environment(quiet=not run.verbose)
    with (
        progress_bar.display(num_steps=settings.optimizer.steps, quiet=run.quiet) as display,
        _trace_file(run.trace) as trace,
    ):
        return _Run(run, settings, inputs, display, trace).run()


def _fetch_weights(arguments: list[str]) -> int:
    from tf_style import weights

    values = _parse(make_flags(["weights", "help", "verbose"]), arguments)
    if values.help:
        print("tf_style fetch_weights [--weights=vgg19-8bit|imagenet]\n")
        print("  Fetches the network's weights into the cache (TF_STYLE_CACHE), or checks a file.")
        return 0
    _runtime.set_environment(quiet=not values.verbose)
    with _runtime.quiet_stderr(not values.verbose):  # TensorFlow's greetings, with Keras.
        found = weights.load_weights(values.weights, notify=print)
    where = weights.cache_dir() if values.weights in weights.SOURCES else values.weights
    print(f"{values.weights}: {len(found.layers)} layers, SHA-256 {found.sha256}, in {where}")
    return 0


def _parse(values: flags.FlagValues, arguments: list[str]) -> flags.FlagValues:
    rest = values(["tf_style", *arguments])[1:]
    if rest:
        raise ValueError(
            f"Every argument must be a flag, as in --content=photo.jpg. Received: {rest[0]!r}."
        )
    return values


def _settings(values: flags.FlagValues, run: RunOptions) -> config.StyleConfig:
    """Returns the preset's or the file's settings, changed by the flags that were given."""
    given = {name: values[name].value for name in config.FIELDS if values[name].present}
    if run.config and "preset" in given:
        raise ValueError(
            "Cannot use `preset` with `config`. This is because both give every setting. "
            f"Received: preset={given['preset']!r}, config={run.config!r}."
        )
    base = _config_file(Path(run.config)) if run.config else config.preset(values.preset)
    return base.replace(**given)


def _config_file(path: Path) -> config.StyleConfig:
    from tf_style import saving

    path = path.expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"`config` must be an existing file. Received: config='{path}'.")
    if path.suffix.lower() != ".json":
        return config.StyleConfig.from_dict(saving.read_description(path)["config"])
    with path.open("rb") as file:
        text = file.read(_MAX_CONFIG_BYTES)
    try:
        return config.StyleConfig.from_json(text.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"`config` must be JSON. Received: config='{path}': {error}.") from error


@contextlib.contextmanager
def _trace_file(path: str) -> Iterator[TextIO | None]:
    if not path:
        yield None
        return
    with Path(path).expanduser().open("w", encoding="utf-8") as file:
        yield file


class _Run:
    """One run: the work goes on in a thread, so that Ctrl-C is answered at once."""

    def __init__(
        self,
        run: RunOptions,
        settings: config.StyleConfig,
        inputs: "Inputs",
        display: progress_bar.Display,
        trace: TextIO | None,
    ) -> None:
        self._options = run
        self._settings = settings
        self._inputs = inputs
        self._display = display
        self._trace = trace
        self._cancel = threading.Event()
        self._events: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        self._last: Progress | None = None
        self._next_snapshot = run.save_every

    def run(self) -> int:
        """Does the work; returns the exit code."""
        with contextlib.suppress(ValueError):  # Not in the main thread: no signals there.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        worker = threading.Thread(target=self._work, daemon=True)
        worker.start()
        while True:
            try:
                done = self._events.get()()
                if done is not None:
                    return self._finish(done)
            except KeyboardInterrupt:
                if self._cancel.is_set():
                    return self._leave_now()
                self._cancel.set()
                self._display.message(
                    "Stopping after this slice of steps, then saving. "
                    "Press Ctrl-C again to leave at once with the last picture."
                )

    def _work(self) -> None:
        """Runs in the thread: posts what the main thread is to do."""
        try:
            with _runtime.quiet_stderr(not self._options.verbose):
                import tensorflow as tf

                tf.config.list_logical_devices()
            from tf_style.transfer import stylize_inputs

            result = stylize_inputs(
                self._inputs, self._settings, on_progress=self._on_progress, notify=self._notify
            )
            self._events.put(lambda: result)
        except BaseException as error:  # Handed over to the main thread, whatever it is.
            self._events.put(functools.partial(self._failed, error))

    def _notify(self, text: str) -> None:
        self._events.put(lambda: self._display.message(text))

    def _on_progress(self, progress: "Progress") -> bool:
        self._events.put(lambda: self._show(progress))
        return self._cancel.is_set()

    def _show(self, progress: "Progress") -> None:
        self._last = progress
        self._display.update(progress)
        self._write_trace(progress)
        every = self._options.save_every
        if every and progress.step >= self._next_snapshot:
            self._next_snapshot = (progress.step // every + 1) * every
            output = Path(self._options.output)
            name = f"{output.stem}_{progress.step:05d}{output.suffix}"
            self._save(output.with_name(name), progress)

    def _write_trace(self, progress: "Progress") -> None:
        if self._trace:
            line = {
                "step": progress.step,
                "evaluations": progress.num_evaluations,
                "seconds": round(progress.seconds, 3),
                **progress.terms,
            }
            print(json.dumps(line), file=self._trace, flush=True)

    def _finish(self, result: "StyleResult") -> int:
        from tf_style.optimizers import Status

        self._display.update(result)
        if self._last is None or self._last.step != result.step:
            self._write_trace(result)
        path, code = self._save(Path(self._options.output), result)
        self._display.message(
            f"{result.status.value} {path}: {result.image.shape[2]}x{result.image.shape[1]} px, "
            f"{result.step} steps, {result.num_evaluations} evaluations, {result.seconds:.0f} s"
        )
        return code or (130 if result.status is Status.CANCELLED else 0)

    def _failed(self, error: BaseException) -> None:
        """Saves what there is, then lets the error go its way."""
        if self._last is not None:
            path, _ = self._save(Path(self._options.output), self._last)
            self._display.message(f"The picture of step {self._last.step} is kept in {path}.")
        raise error

    def _leave_now(self) -> int:
        if self._last is None:
            self._display.message("Stopped before the first step; nothing was saved.")
        else:
            path, _ = self._save(Path(self._options.output), self._last)
            self._display.message(f"Stopped after {self._last.step} steps; saved {path}.")
        sys.stdout.flush()
        sys.stderr.flush()
        if self._trace:
            self._trace.flush()
        os._exit(130)  # The thread is deep in TensorFlow and cannot be joined.

    def _save(self, path: Path, progress: "Progress") -> tuple[Path, int]:
        """Saves a picture, elsewhere if need be; returns where, and the exit code."""
        try:
            progress.save(path)
            return path, 0
        except OSError as error:
            spare = Path(tempfile.gettempdir()) / f"tf_style_{path.name}"
            progress.save(spare)
            self._display.message(f"`output` cannot be written: {error}. Saved {spare} instead.")
            return spare, 2


def _is_bug(error: BaseException) -> bool:
    """Returns whether a TypeError comes from inside, not from a user's value."""
    return isinstance(error, TypeError) and not str(error).startswith("`")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
