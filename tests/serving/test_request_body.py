"""Reading bodies whose headers may be wrong."""

import asyncio

import pytest
from starlette.requests import Request

from tf_style.serving.errors import RequestError
from tf_style.serving.request_body import Bodies


def read(length, body=b"{}"):
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def whole():
        headers = [(b"content-length", length)]
        request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
        async with bodies.read(request) as body:
            return bytes(body)

    bodies = Bodies(max_bytes=1000, max_held_bytes=1000, timeout_s=5.0)
    body = asyncio.run(whole())
    assert bodies.held_bytes == 0
    return body


# A length that is not a number in HTTP is ignored here; the server knows the body's length.
@pytest.mark.parametrize("length", [b"2", b"0002", b"1000", b"", b"\xb2", b"-1", b"1_0", b"0x2"])
def test_a_body_with_a_small_or_invalid_length_is_read(length):
    assert read(length) == b"{}"


@pytest.mark.parametrize("length", [b"1001", b"0" * 50 + b"1001", b"9" * 5000])
def test_a_length_above_the_limit_is_refused_before_the_body(length):
    with pytest.raises(RequestError, match="at most 1000 bytes") as error:
        read(length)
    assert error.value.status == 413
    assert len(error.value.message) < 300
