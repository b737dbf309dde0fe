"""Error responses: their bodies, their HTTP status, and the exception that stands for one."""

import json

HTTP_STATUS = {
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "UNAUTHENTICATED": 401,
}
"""HTTP status by TensorFlow's error code, as in TensorFlow Serving; 500 for any other."""


def error_text(message: str) -> str:
    """Returns the body of an error response, in JSON."""
    return json.dumps({"error": message}, ensure_ascii=False)


class RequestError(Exception):
    """A request that gets an error response.

    Attributes:
        status: HTTP status code, 400..599.
        message: what is wrong, and what to do about it.
        retry_after_s: whole seconds to wait before a retry, or None.
    """

    def __init__(self, status: int, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s


def bad_request(argument: str, rule: str, received: str, way_out: str = "") -> RequestError:
    """Returns an error 400 whose message has the package's usual form.

    Args:
        argument: the part of the request, such as `inputs.image[0]`.
        rule: what it must do, such as "be a number".
        received: a short description of what was received.
        way_out: one sentence, or nothing.
    """
    message = f"`{argument}` must {rule}. Received: {argument}={received}."
    return RequestError(400, f"{message} {way_out}".rstrip())


def brief(value: object, *, limit: int = 40) -> str:
    """Describes a request's value in a message: by its text if short, else by kind and size."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        keys = ", ".join(repr(key[:limit]) for key in list(value)[:3])
        return f"an object with the keys {keys}" if keys else "an empty object"
    if isinstance(value, str) and len(value) > limit:
        return f"a string of {len(value)} characters"
    text = json.dumps(value)
    return text if len(text) <= limit else f"a number of {len(text)} digits"
