"""cli.main."""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from tf_style._version import __version__
from tf_style.cli import flags as option_flags
from tf_style.cli import settings as settings_file
from tf_style.config import presets as config_presets

if TYPE_CHECKING:
    pass
from tf_style.cli.commands import COMMANDS
from tf_style.cli.stylize_command import RunOptions, _stylize, _table, make_flags


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbose = not {"-v", "-verbose", "--verbose", "--verbose=true"}.isdisjoint(arguments)
    try:
        if arguments and arguments[0] in COMMANDS:
            module, _ = COMMANDS[arguments[0]]
            return importlib.import_module(f"tf_style.cli.{module}").command(arguments[1:])
        return _run(arguments)
    except BrokenPipeError:  # As in `tf_style --help | head`; a run catches its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("tf_style: stopped; nothing was saved.", file=sys.stderr)
        return 130
    except (
        flags.Error,
        ValueError,
        TypeError,
        OSError,
        ImportError,
        FloatingPointError,
        MemoryError,
    ) as error:
        if verbose or _is_bug(error):
            traceback.print_exc()
        else:
            print(f"tf_style: {_one_line(error)}", file=sys.stderr)
        return 2


def help_text() -> str:
    """Returns the text of `--help`."""
    lines = [
        "tf_style paints a photograph in the style of a painting.",
        "",
        "  tf_style --content=photo.jpg --style=painting.jpg --output=out.png [flags]",
    ]
    lines += [f"  tf_style {name:<16} {text}" for name, (_, text) in COMMANDS.items()]
    lines += option_flags.help_lines("Pictures and files", _table())
    presets = ", ".join(config_presets.PRESETS)
    lines += ["", f"Presets: {presets}. Switch a flag off with --noFLAG or --FLAG=false.", ""]
    return "\n".join(lines)


def _run(arguments: list[str]) -> int:
    values = option_flags.parse(make_flags(), arguments, commands=COMMANDS)
    if values.help:
        print(help_text())
        return 0
    if values.version:
        print(f"tf_style {__version__}")
        return 0
    from tf_style.cli import request as run_request
    from tf_style.cli import resuming

    run = option_flags.of_type(RunOptions, values)
    if values["resume"].present:
        given = [name for name in values if values[name].present]
        request, settings, found = resuming.unfinished_run(run.resume, run.output, given)
        if values["memory_limit"].present:  # What ended a run may have been its memory.
            settings = settings.replace(memory_limit=values["memory_limit"].value)
        return _stylize(run, request, settings, found)
    settings = settings_file.settings(values, run.config)
    missing = [f"--{name}" for name in ("content", "style", "output") if not getattr(run, name)]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} must be given, as in: tf_style --content=photo.jpg "
            "--style=painting.jpg --output=out.png. See tf_style --help."
        )
    if run.save_every < 0:
        raise ValueError(f"`save_every` must be at least 0. Received: save_every={run.save_every}.")
    return _stylize(run, run_request.Request.of(run, settings), settings)


def _is_bug(error: BaseException) -> bool:
    """Returns whether an error comes from inside, not from a user's value or a missing extra."""
    if isinstance(error, ImportError):
        return error.name is not None  # Ours, which name the pip command, have none.
    return isinstance(error, TypeError) and not str(error).startswith("`")


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 1000 else f"{text[:1000]}..."  # As of a name that is too long.
