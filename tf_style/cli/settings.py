"""Settings: from flags, and from the file that `--config` names.

Takes parsed flags; gives a `StyleConfig`. No TensorFlow here.
"""

from pathlib import Path

from absl import flags

from tf_style._checks import check_name, shown, user_path
from tf_style.cli import process
from tf_style.cli.flags import given_options
from tf_style.config.style_config import StyleConfig, preset
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.provenance.description import read_description

_MAX_BYTES = 1_000_000
"""Most bytes read from a JSON file. A longer file is cut off, so that it is no valid JSON."""


def settings_from(values: flags.FlagValues, file: str) -> StyleConfig:
    """Returns the settings of the preset or the file, with the given flags applied.

    Args:
        values: parsed flags, among them those of `flags.config_table`.
        file: a JSON file, or a picture that tf_style made; empty for none.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if the file holds no settings, or a value is out of range.
    """
    given = given_options(values)
    if file and "preset" in given:
        raise ValueError(
            "Cannot use `preset` with `config`. This is because each sets every option. "
            f"Received: preset={given['preset']!r}, config={file!r}."
        )
    base = _read(user_path(file)) if file else preset(values.preset)
    return base.replace(**given)


def controls_of(file: str) -> tuple[str, ...]:
    """Returns the names of the control pictures with which the picture `file` was made.

    Args:
        file: as for `settings_from`.
    """
    path = user_path(file)
    if not file or path.suffix.lower() == ".json":
        return ()
    with process.quiet_stderr():
        found = read_description(path).get("controls")
    known = found if isinstance(found, list) else []
    return tuple(name for name in ControlPictures._fields if name in known)


def _read(path: Path) -> StyleConfig:
    """Returns the settings in a JSON file or a picture."""
    check_name("config", path)
    if not path.is_file():
        raise FileNotFoundError(
            f"`config` must be an existing file. Received: config={shown(str(path))}."
        )
    if path.suffix.lower() != ".json":
        with process.quiet_stderr():
            found = read_description(path)
        if "network_sha256" in found:
            raise ValueError(
                "`config` must be a picture that the optimizer painted. Received: "
                f"config={shown(str(path))}, which `tf_style fast` painted: it has other settings."
            )
        return StyleConfig.from_dict(found["config"])
    with path.open("rb") as opened:
        text = opened.read(_MAX_BYTES)
    try:
        return StyleConfig.from_json(text.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"`config` must be JSON. Received: config='{path}': {error}.") from error
