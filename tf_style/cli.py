"""The command line: absl flags made from the config's fields.

    tf_style --content=photo.jpg --style=painting.jpg --output=out.png [flags]
    tf_style fetch_weights [--weights=...]

Exit codes: 0 done; 2 wrong input, or the picture had to be saved elsewhere (one line on
stderr says so); 130 stopped by the user; 1 a bug, with its traceback.
"""

import dataclasses
import os
import sys
import textwrap
import traceback
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from tf_style import _runtime, config, progress_bar
from tf_style._checks import suggestion, user_path
from tf_style._version import __version__

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
        0,
        "Also keep the picture at every multiple of so many steps, as OUTPUT_00100.png; 0 is off.",
    )
    trace: str = _option(
        "",
        "Write a line of JSON for each slice of steps: evaluations, seconds, the weighted loss "
        "terms, and each layer's unweighted loss.",
    )
    quiet: bool = _option(False, "Show no progress.")
    verbose: bool = _option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = _option(False, "Show this help.")
    version: bool = _option(False, "Show the version.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbose = any(
        argument.lstrip("-") in ("v", "verbose", "verbose=true") for argument in arguments
    )
    short = {"-h": "--help", "-v": "--verbose"}
    arguments = [short.get(argument, argument) for argument in arguments]
    try:
        if arguments[:1] == ["fetch_weights"]:
            return _fetch_weights(arguments[1:])
        return _run(arguments)
    except BrokenPipeError:  # As in `tf_style --help | head`; a run catches its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("tf_style: stopped; nothing was saved.", file=sys.stderr)
        return 130
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
    titles = {
        "": "Main settings",
        "network": "Network",
        "loss": "Loss",
        "optimizer": "Optimizer",
        "compute": "Computing",
    }
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

    return _stylize(run, settings)


def _stylize(run: RunOptions, settings: config.StyleConfig) -> int:
    """Checks all that can be wrong before the work, then does it."""
    from tf_style import saving
    from tf_style.inputs import prepare_inputs
    from tf_style.run import Files, Run

    named = [run.content, run.style, run.config, settings.init, settings.network.weights]
    sources = [user_path(name) for name in named if name and user_path(name).exists()]
    output, trace, saved = (user_path(name) for name in (run.output, run.trace, run.save_config))
    saving.check_output(output, inputs=sources)
    if run.trace:
        saving.check_writable(trace, argument="trace", inputs=[*sources, output])
    if run.save_config:
        others = [*sources, output, *([trace] if run.trace else [])]
        saving.check_writable(saved, argument="save_config", inputs=others)
    with _runtime.quiet_stderr(not run.verbose):  # Decoders write there about damaged files.
        inputs = prepare_inputs(run.content, run.style, settings)
    saving.check_output(output, inputs=sources, size=inputs.content.shape[1:3])
    if run.save_config:
        text = settings.to_json().encode()
        saving.write_atomically(saved, lambda file: file.write(text))

    _runtime.set_environment(quiet=not run.verbose)
    files = Files(
        output=output,
        trace=trace if run.trace else None,
        sources=sources,
        save_every=run.save_every,
    )
    with progress_bar.display(quiet=run.quiet) as display:
        work = Run(inputs, settings, files, display, run.verbose)
        code = work.start()
    if work.left_at_once:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # The thread is deep in TensorFlow and cannot be joined.
    return code


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
    try:
        rest = values(["tf_style", *arguments])[1:]
    except flags.IllegalFlagValueError as error:
        name, _, value = str(error).removeprefix("flag --").split(":")[0].partition("=")
        kind = {"float": "a number", "int": "a whole number"}.get(
            values[name].flag_type() if name in values else "", "true or false"
        )
        raise ValueError(f"`{name}` must be {kind}. Received: {name}={value!r}.") from error
    if rest:
        raise ValueError(
            f"Every argument must be a flag, as in --content=photo.jpg. Received: {rest[0]!r}."
            + suggestion(rest[0], ["fetch_weights"])
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
    base = _config_file(user_path(run.config)) if run.config else config.preset(values.preset)
    return base.replace(**given)


def _config_file(path: Path) -> config.StyleConfig:
    from tf_style import saving

    if not path.is_file():
        raise FileNotFoundError(f"`config` must be an existing file. Received: config='{path}'.")
    if path.suffix.lower() != ".json":
        with _runtime.quiet_stderr():
            found = saving.read_description(path)
        return config.StyleConfig.from_dict(found["config"])
    with path.open("rb") as file:
        text = file.read(_MAX_CONFIG_BYTES)
    try:
        return config.StyleConfig.from_json(text.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"`config` must be JSON. Received: config='{path}': {error}.") from error


def _is_bug(error: BaseException) -> bool:
    """Returns whether a TypeError comes from inside, not from a user's value."""
    return isinstance(error, TypeError) and not str(error).startswith("`")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
