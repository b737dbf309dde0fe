"""The flags of `tf_style serve`: a frozen dataclass that checks its values."""

import dataclasses
from pathlib import Path

from tf_style._checks import check_number, exists, shown, user_path
from tf_style.cli.flags import FILES
from tf_style.config.fields import TypeChecked, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeOptions(TypeChecked):
    """The flags of `tf_style serve`."""

    model_dir: FILES = option(
        (),
        "Folder with a folder for each version, or a SavedModel. NAME=DIR serves a model under a "
        "name; repeat the flag for several models.",
    )
    port: int = option(8501, "Port to listen on; 0 takes any free port.")
    grpc_port: int = option(
        -1,
        "Port of TensorFlow Serving's gRPC services (extra `grpc`); 0 takes any free one, -1 none.",
    )
    host: str = option(
        "127.0.0.1", "Address to listen on; 0.0.0.0 is every address of the machine."
    )
    name: str = option(
        "tf_style", "Name of the model in URLs, /v1/models/NAME, where --model_dir gives none."
    )
    num_versions: int = option(1, "How many of the newest versions to serve.")
    labels: str = option(
        "",
        "Names of versions for URLs, as in 'stable:1,canary:2', or for one of several models "
        "'NAME/stable:1'.",
    )
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
    cors_origins: str = option(
        "",
        "Origins whose pages may call the server from a browser, separated by commas, as in "
        "'https://example.org'; '*' is every one.",
    )
    warm_up: bool = option(
        True,
        "Run a tiny request for each signature of a version before it is served, so that no client "
        "waits for TensorFlow's preparation.",
    )
    access_log: bool = option(False, "Write a line for each request.")
    verbose: bool = option(False, "Show TensorFlow's logs, and the traceback of an error.")
    help: bool = option(False, "Show this help.")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("port", self.port, minimum=0, maximum=65535)
        check_number("grpc_port", self.grpc_port, minimum=-1, maximum=65535)
        for name in ("num_versions", "max_values", "num_workers", "max_batch"):
            check_number(name, getattr(self, name), minimum=1)
        check_number("max_queue", self.max_queue, minimum=0)
        for name in ("poll_s", "timeout_s", "body_timeout_s"):
            check_number(name, getattr(self, name), minimum=0.05, maximum=1e6)
        check_number("max_body_mb", self.max_body_mb, minimum=0.001, maximum=2048)
        for name in (self.name, *self.folders):
            if not name or set(name) & set("/:"):
                raise ValueError(
                    f"`name` must not be empty or contain '/' or ':'. Received: name={name!r}."
                )
        for label in parse_labels(self.labels):
            model, is_named, _ = label.partition("/")
            if is_named and self.model_dir and model not in self.folders:
                raise ValueError(
                    f"`labels` must name models that are served ({', '.join(self.folders)}). "
                    f"Received: labels={shown(self.labels)}."
                )
        for origin in self.cors_origins.split(","):
            if origin.strip().endswith("/"):
                raise ValueError(
                    "`cors_origins` must be origins, without a slash at the end, as in "
                    f"'https://example.org'. Received: cors_origins={shown(self.cors_origins)}."
                )

    @property
    def folders(self) -> dict[str, Path]:
        """The models' folders by name.

        Raises:
            ValueError: if two have the same name.
        """
        found: dict[str, Path] = {}
        for text in self.model_dir:
            name, is_named, folder = text.partition("=")
            if not is_named or exists(text):
                name, folder = self.name, text
            if name in found:
                raise ValueError(
                    "`model_dir` must give each model its own name. Received: the name "
                    f"{name!r} twice. Write --model_dir=NAME=DIR."
                )
            found[name] = user_path(folder)
        return found


def parse_labels(text: str) -> dict[str, int]:
    """Returns the version of each label in a text such as 'stable:1,canary:2'.

    Raises:
        ValueError: if the text has another form.
    """
    labels = {}
    for part in filter(None, text.split(",")):
        label, _, version = part.strip().partition(":")
        number = version.isascii() and version.isdigit() and len(version) < 19
        if not label or not number or label.count("/") > 1:
            raise ValueError(
                "`labels` must be of the form 'label:version', separated by commas. "
                f"Received: labels={shown(text)}."
            )
        labels[label] = int(version)
    return labels
