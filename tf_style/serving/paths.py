"""Parses TensorFlow Serving's REST paths: the model, its version and the kind of call.

References:
    TensorFlow Serving, "RESTful API" (tensorflow.org/tfx/serving/api_rest).
"""

import dataclasses
import re
import urllib.parse

from tf_style.serving.errors import RequestError

_MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(_MODEL + r":(?P<call>classify|regress|predict)", re.IGNORECASE)
_GET = re.compile(_MODEL + r"(?P<metadata>/metadata)?", re.IGNORECASE)
_LARGEST_VERSION = 2**63 - 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """The call that a path stands for.

    Attributes:
        kind: "status", "metadata", "predict", "classify" or "regress".
        model: the model's name.
        version: the version's number, or None if the path has none.
        label: the version's label, or None.
    """

    kind: str
    model: str
    version: int | None
    label: str | None

    @property
    def servable(self) -> str:
        """The model as TensorFlow Serving names it in errors."""
        if self.version is None:
            return f"Latest({self.model})"
        return f"Specific({self.model}, {self.version})"


def parse_path(method: str, path: str) -> Call:
    """Returns the call that a request stands for.

    Args:
        method: "GET" or "POST".
        path: as sent: percent-encoded, without the query.

    Raises:
        RequestError: 400 for any other path, as in TensorFlow Serving.
    """
    pattern = {"POST": _POST, "GET": _GET}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if match is None:
        if method == "GET" and re.fullmatch("/v1/models/?", path, re.IGNORECASE):
            raise RequestError(400, "Missing model name in request. GET /v1/models/NAME.")
        raise RequestError(
            400,
            f"Malformed request: {method[:20]} {path[:200]}. Send GET /v1/models/NAME, "
            "GET /v1/models/NAME/metadata or POST /v1/models/NAME:predict. NAME may be followed by "
            "/versions/NUMBER or /labels/LABEL.",
        )
    parts = match.groupdict()
    version = int(parts["version"]) if parts["version"] and len(parts["version"]) < 20 else None
    if parts["version"] and (version is None or version > _LARGEST_VERSION):
        raise RequestError(400, f"Failed to convert version: {parts['version'][:40]} to numeric.")
    kind = parts.get("call") or ("metadata" if parts.get("metadata") else "status")
    return Call(
        kind=kind.lower(),
        model=urllib.parse.unquote(parts["name"]),
        version=version,
        label=urllib.parse.unquote(parts["label"]) if parts["label"] else None,
    )
