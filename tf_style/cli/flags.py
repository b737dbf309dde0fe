"""Flags: defined by the fields of frozen dataclasses, and parsed from a command's arguments.

Takes dataclasses whose fields have a default and a help text; gives absl flags, options with the
parsed values, and the text of `--help`. A flag has the name, type and default of its field. No
TensorFlow here.
"""

import dataclasses
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from absl import flags

from tf_style._checks import shown, suggestion, user_path
from tf_style.config import style_config
from tf_style.config.fields import typed_fields

_DEFINE = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_boolean,
}
_TITLES = {
    "": "Main settings",
    "network": "Network",
    "loss": "Loss",
    "optimizer": "Optimizer",
    "compute": "Computing",
    "control": "Several styles, and regions",
}
_SHORT = {"-h": "--help", "-o": "--output", "-v": "--verbose"}

_LONGEST = 100
"""Most characters of a flag's name."""

_NAMES_BY_MEANING = {
    "content": "base_image base_image_path content_file content_image content_image_path "
    "content_images_paths content_img content_img_path content_path in_path input input_image "
    "photo",
    "style": "painting style_file style_image style_image_path style_images style_images_paths "
    "style_img style_img_path style_imgs style_path style_reference_image "
    "style_reference_image_path styles",
    "output": "out out_path output_file output_image output_img output_path save_path",
    "size": "end_scale height image_size img_size imsize max_dim max_size output_size resolution "
    "size_pixels width",
    "style_size": "style_image_size",
    "style_scale": "style_scale_fac",
    "scales": "initial_iterations min_scale multi_scale multiscale",
    "steps": "epochs iter iteration iterations iters max_iter max_iterations max_iters n_iter "
    "n_iterations n_steps num_iter num_iterations num_iters num_steps",
    "content_weight": "alpha content_loss_weight cw",
    "style_weight": "beta style_loss_weight sw",
    "style_strength": "intensity strength style_intensity stylization_strength",
    "tv_weight": "total_variation total_variation_weight tv tv_loss_weight tv_strength "
    "tv_weight_2 tvw",
    "content_layers": "content_layer content_layer_weights content_layers_weights "
    "content_weight_blend",
    "style_layers": "style_layer style_layer_weights style_layers_weights",
    "style_blend": "blend style_blend_weights style_img_weights style_imgs_weights style_weights",
    "style_loss": "style_loss_type style_target_type",
    "color": "color_control colors colour colours",
    "color=content": "keep_color keep_colors original_color original_colors original_colours "
    "preserve_color preserve_colors preserve_colour preserve_colours",
    "init": "init_image init_img init_img_type init_type initial initial_image initialization "
    "start_image",
    "seed": "random_seed",
    "pooling": "pool pool_type pooling_type",
    "weights": "loss_network model model_file model_path model_weights network vgg vgg_path",
    "optimizer": "optim optimiser",
    "learning_rate": "learning_rate_adam lr step_size",
    "history": "history_size lbfgs_history lbfgs_num_correction",
    "save_every": "checkpoint_iterations save_interval save_iter",
    "content_masks": "content_mask mask masks style_mask_imgs",
    "precision": "amp dtype fp16 half",
    "memory_limit": "max_memory",
    "time_budget": "max_seconds max_time time_limit",
    "jit_compile": "jit xla",
    "quiet": "silent",
    "": "accel backend cpu cuda cuda_device cudnn_autotune device devices disable_check gpu gpu_id "
    "gpus mps multidevice_strategy multigpu_strategy no_cuda no_gpu overwrite overwrite_output "
    "print_every print_iter print_iterations proto_file supplemental_device tile_size use_cuda "
    "use_cudnn use_gpu",
}

OTHER_NAMES = {name: flag for flag, names in _NAMES_BY_MEANING.items() for name in names.split()}
"""What other programs call a flag: the flag of the same meaning, or empty if none is needed."""

Table = list[tuple[dataclasses.Field, Any]]
"""Fields with their types. Each becomes a flag."""


def config_table(*, without: Iterable[str] = ()) -> Table:
    """Returns the fields of `StyleConfig` and its parts, except those named in `without`."""
    left_out = set(without)
    return [
        (field, kind)
        for name, (_, field, kind) in style_config.FIELDS.items()
        if name not in left_out
    ]


def make_flags(table: Table) -> flags.FlagValues:
    """Returns absl flags for the fields, with their defaults."""
    values = flags.FlagValues()
    for field, kind in table:
        default = field.default
        if isinstance(default, tuple):
            default = ",".join(f"{name}:{weight:g}" for name, weight in default)
        define = _DEFINE.get(kind, flags.DEFINE_string)
        define(field.name, default, field.metadata["help"], flag_values=values)
    return values


def parse(
    values: flags.FlagValues,
    arguments: Sequence[str],
    *,
    positional: Sequence[str] = (),
    check_positional: Callable[[str, str], None] | None = None,
    commands: Iterable[str] = (),
) -> flags.FlagValues:
    """Parses the arguments of a command line into flags.

    Args:
        values: flags from `make_flags`.
        arguments: the command line, without the program and the command.
        positional: names of the flags that positional arguments set, in this order. A flag that
            is given by name is skipped.
        check_positional: called with the name and the value of each flag that a positional
            argument sets; raises ValueError if it must be given by name.
        commands: names of the commands, used to suggest one for a mistyped command.

    Returns:
        `values`, with the parsed values.

    Raises:
        ValueError: for an unknown flag, a value of the wrong type, an unknown command, or too many
            positional arguments. The message suggests what may be meant.
    """
    if arguments and (meant := _command_meant(arguments[0], commands)):
        raise ValueError(f"There is no command {arguments[0]!r}.{meant}")
    arguments = _spelled_out(values, arguments)
    values.set_gnu_getopt(True)  # Flags may follow positional arguments.
    try:
        rest = values(["tf_style", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        raise ValueError(_unknown(error.flagname, values)) from error
    except flags.IllegalFlagValueError as error:
        name, _, value = str(error).removeprefix("flag --").split(":")[0].partition("=")
        kind = {"float": "a number", "int": "a whole number"}.get(
            values[name].flag_type() if name in values else "", "true or false"
        )
        raise ValueError(f"`{name}` must be {kind}. Received: {name}={value!r}.") from error
    names = [name for name in positional if not values[name].present]
    if len(rest) > len(names):
        allowed = f"At most {', '.join(names)} can" if names else "No argument can"
        raise ValueError(
            f"{allowed} be given without a flag's name. Unexpected: "
            f"{shown(rest[len(names)])}. Write options as flags, as in --size=1024."
        )
    for name, value in zip(names, rest, strict=False):
        if check_positional is not None:
            check_positional(name, value)
        values[name].parse(value)
        values[name].using_default_value = False
    return values


def _command_meant(word: str, commands: Iterable[str]) -> str:
    """Returns a suggestion if a word looks like a mistyped command, not a flag or a file's name."""
    path = user_path(word)
    is_other = word.startswith("-") or path.suffix or path.exists()
    return "" if is_other else suggestion(word, commands)


def _spelled_out(values: flags.FlagValues, arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with the full names of flags; the values of flags stay unchanged."""
    spelled: list[str] = []
    is_value = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name == "--":
            return [*spelled, *arguments[len(spelled) :]]
        if len(name) > _LONGEST and name.startswith("-"):
            # absl compares an unknown name with every flag, which takes long for a long name.
            raise ValueError(f"No flag has a name this long. Received: {shown(name)}.")
        spelled.append(argument if is_value else f"{_SHORT.get(name, name)}{equals}{value}")
        flag = spelled[-1].lstrip("-")
        is_flag = not is_value and spelled[-1].startswith("-") and flag in values
        is_value = is_flag and values[flag].flag_type() != "bool"
    return spelled


def _unknown(name: str, values: flags.FlagValues) -> str:
    """Returns the error message for an unknown flag, with a suggestion if there is one."""
    name = name.lstrip("-")
    known = name.replace("-", "_").lower()
    meant = OTHER_NAMES.get(known) or (known if known in values else "")
    if not meant and known in OTHER_NAMES:
        return f"There is no flag --{name}, and none is needed. Leave it out."
    if meant and meant.partition("=")[0] in values:
        return f"There is no flag --{name}. Did you mean --{meant}?"
    near = suggestion(known, values).replace("'", "").replace("mean ", "mean --")
    return f"There is no flag --{shown(name)[1:-1]}.{near or ' See --helpfull.'}"


def of_type(options: type, values: flags.FlagValues) -> Any:
    """Returns an instance of the dataclass `options` with the values of the flags."""
    return options(**{field.name: values[field.name].value for field, _ in typed_fields(options)})


def given_options(values: flags.FlagValues) -> dict[str, Any]:
    """Returns the `StyleConfig` options that were set by flags: values by name."""
    names = [name for name in style_config.FIELDS if name in values and values[name].present]
    return {name: values[name].value for name in names}


def paths(text: str) -> list[str]:
    """Returns the paths in a flag's value, which are separated by commas.

    If the whole value is the name of an existing file, it is the only path.

    Raises:
        ValueError: if there is nothing between two commas.
    """
    if not text or user_path(text).exists():
        return [text] if text else []
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ValueError(
            f"A list of files must have a name between commas. Received: {text!r}. Remove the "
            "extra comma."
        )
    return parts


def command_table(options: type, *, without: Iterable[str] | None = None) -> Table:
    """Returns the fields of a command: its own, then those of `StyleConfig`.

    Args:
        options: the dataclass of the command's own options.
        without: names of `StyleConfig` options to leave out; None leaves out all of them.
    """
    own = list(typed_fields(options))
    return own if without is None else [*own, *config_table(without=without)]


def command_help(usage: str, title: str, options: type, table: Table, *, is_full: bool) -> str:
    """Returns the help text of a command.

    Args:
        usage: the first lines.
        title: heading of the command's own flags.
        options: the dataclass of the command's own options.
        table: all fields of the command.
        is_full: whether to show all flags, or only the command's own.
    """
    own = list(typed_fields(options))
    lines = [usage, *help_lines(title, table if is_full else own), ""]
    if len(table) > len(own) and not is_full:
        lines += ["Every setting of a picture is also a flag: see --helpfull.", ""]
    return "\n".join(lines)


def short_help_lines(table: Table, names: Iterable[str]) -> list[str]:
    """Returns the help lines of the named flags, in the order of `names`."""
    by_name = {field.name: (field, kind) for field, kind in table}
    return _lines([by_name[name] for name in names])


def help_lines(title: str, table: Table) -> list[str]:
    """Returns the help lines of all flags in groups, with their defaults.

    Args:
        title: heading of the fields that are not `StyleConfig` options.
        table: the fields.
    """
    groups: dict[str, Table] = {title: []}
    for field, kind in table:
        group, known, _ = style_config.FIELDS.get(field.name, ("", None, None))
        heading = _TITLES[group] if field is known else title
        groups.setdefault(heading, []).append((field, kind))
    lines = []
    for heading, fields in groups.items():
        lines += ["", f"{heading}:", *_lines(fields)]
    return lines


def _lines(table: Table) -> list[str]:
    """Returns the name, help text and default of each flag."""
    lines = []
    values = make_flags(table)
    for field, _ in table:
        default = values[field.name].default
        shown_default = "" if default in ("", False, None) else f" [{default}]"
        lines.append(f"  --{field.name}")
        text = field.metadata["help"] + shown_default
        lines += textwrap.wrap(text, 92, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return lines
