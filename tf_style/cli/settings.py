"""Settings from flags, and from the file that `--config` names. No TensorFlow here."""

from pathlib import Path

from absl import flags

from tf_style._checks import shown, user_path
from tf_style.cli import flags as option_flags
from tf_style.cli import process
from tf_style.config.style_config import StyleConfig, preset
from tf_style.inputs.control_pictures import ControlPictures
from tf_style.provenance import description

_MAX_BYTES = 1_000_000


def settings(values: flags.FlagValues, file: str) -> StyleConfig:
    """Returns the preset's or the file's settings, changed by the flags that were given.

    Args:
        values: flags of `flag_options.config_table`, parsed.
        file: JSON, or a picture that tf_style made; empty for none.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it holds no settings, or a value is out of range.
    """
    given = option_flags.given(values)
    if file and "preset" in given:
        raise ValueError(
            "Cannot use `preset` with `config`. This is because both give every setting. "
            f"Received: preset={given['preset']!r}, config={file!r}."
        )
    base = _read(user_path(file)) if file else preset(values.preset)
    return base.replace(**given)


def controls_of(file: str) -> tuple[str, ...]:
    """Returns what pictures beside content and style the picture `file` was made with.

    Args:
        file: as `settings` has read it.
    """
    path = user_path(file)
    if not file or path.suffix.lower() == ".json":
        return ()
    with process.quiet_stderr():
        found = description.read_description(path).get("controls")
    known = found if isinstance(found, list) else []
    return tuple(name for name in ControlPictures._fields if name in known)


def _read(path: Path) -> StyleConfig:
    if not path.is_file():
        raise FileNotFoundError(
            f"`config` must be an existing file. Received: config={shown(str(path))}."
        )
    if path.suffix.lower() != ".json":
        with process.quiet_stderr():
            found = description.read_description(path)
        return StyleConfig.from_dict(found["config"])
    with path.open("rb") as opened:
        text = opened.read(_MAX_BYTES)
    try:
        return StyleConfig.from_json(text.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"`config` must be JSON. Received: config='{path}': {error}.") from error
