"""What a request is answered with when it cannot be answered. Takes texts, gives an exception."""

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
"""TensorFlow's error codes over HTTP, as TensorFlow Serving has them; 500 for any other."""


class RequestError(Exception):
    """A request that gets no result.

    Attributes:
        status: HTTP status code, 400..599.
        message: what was wrong, and the way out.
        retry_after_s: whole seconds after which to come again, or None.
    """

    def __init__(self, status: int, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s


def bad_request(argument: str, rule: str, received: str, way_out: str = "") -> RequestError:
    """Returns an error 400 in the house's form.

    Args:
        argument: the request's part, as in `inputs.image[0]`.
        rule: what it must do, as in "be a number".
        received: what it is instead; never a long text.
        way_out: one sentence, or nothing.
    """
    message = f"`{argument}` must {rule}. Received: {argument}={received}."
    return RequestError(400, f"{message} {way_out}".rstrip())


def brief(value: object, *, limit: int = 40) -> str:
    """Returns a value from a request for a message: its text if short, else its kind and size."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        keys = ", ".join(repr(key[:limit]) for key in list(value)[:3])
        return f"an object with the keys {keys}" if keys else "an empty object"
    if isinstance(value, str) and len(value) > limit:
        return f"a string of {len(value)} characters"
    text = json.dumps(value)
    return text if len(text) <= limit else f"a number of {len(text)} digits"
