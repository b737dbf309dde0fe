"""Reads a request's body, which may be compressed, within limits of size and time."""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import ClientDisconnect, Request

from tf_style.serving.errors import RequestError

_DRAIN_S = 2.0
_GZIP = 16 + zlib.MAX_WBITS  # zlib's code for gzip's head and end.


class Bodies:
    """Reads bodies, and counts the bytes held at the moment."""

    def __init__(self, *, max_bytes: int, max_held_bytes: int, timeout_s: float) -> None:
        """Sets the limits.

        Args:
            max_bytes: limit for one body, as sent and decompressed.
            max_held_bytes: limit for all bodies whose requests have not been answered.
            timeout_s: seconds within which a body must arrive.
        """
        self._max_bytes = max_bytes
        self._max_held_bytes = max_held_bytes
        self._timeout_s = timeout_s
        self.held_bytes = 0

    @contextlib.asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytearray]:
        """Yields the body. It counts as held until the context ends, even if it is cleared.

        Raises:
            RequestError: 400, 408, 413, 415 or 503. The connection must then be closed.
            ClientDisconnect: if the client disconnects.
        """
        self._check_head(request)
        body, held, sent = bytearray(), 0, 0
        decoder = zlib.decompressobj(_GZIP) if _is_gzip(request) else None
        chunks = request.stream()
        end = time.monotonic() + self._timeout_s
        try:
            while True:
                try:
                    chunk = await asyncio.wait_for(anext(chunks), max(0.0, end - time.monotonic()))
                except asyncio.TimeoutError:
                    raise self._too_slow(len(body)) from None
                if not chunk:
                    break
                sent += len(chunk)
                if sent > self._max_bytes:
                    raise self._too_large(f"more than {self._max_bytes} bytes")
                if decoder is not None:
                    chunk = _decompressed(decoder, chunk, self._max_bytes + 1 - len(body))
                body += chunk
                held += len(chunk)
                self.held_bytes += len(chunk)
                if len(body) > self._max_bytes:
                    raise self._too_large(f"more than {self._max_bytes} bytes")
                if self.held_bytes > self._max_held_bytes:
                    raise RequestError(
                        503, "The server holds too many large requests.", retry_after_s=5
                    )
            if decoder is not None and not decoder.eof:
                raise _damaged("it ends early")
            yield body
        finally:
            self.held_bytes -= held

    def _check_head(self, request: Request) -> None:
        encoding = request.headers.get("content-encoding", "identity").lower()
        if encoding not in ("identity", "gzip"):
            raise RequestError(
                415,
                "The header `Content-Encoding` must be 'gzip', 'identity' or missing. Received: "
                f"{encoding[:40]!r}. Send the body uncompressed.",
            )
        length = request.headers.get("content-length", "")
        # HTTP has ASCII digits only. `int` refuses very long numbers, so test the length first.
        if length.isascii() and length.isdigit():
            length = length.lstrip("0")
            if len(length) > 18 or int(length or "0") > self._max_bytes:
                raise self._too_large(f"{length[:40]} bytes")

    def _too_large(self, received: str) -> RequestError:
        return RequestError(
            413,
            f"The body must have at most {self._max_bytes} bytes. Received: {received}. Send "
            "smaller pictures, or start the server with a larger --max_body_mb.",
        )

    def _too_slow(self, received: int) -> RequestError:
        return RequestError(
            408,
            f"The body must arrive within {self._timeout_s:g} s. Received: {received} bytes. Send "
            "it faster, or start the server with a larger --body_timeout_s.",
        )


def _is_gzip(request: Request) -> bool:
    return request.headers.get("content-encoding", "").lower() == "gzip"


def _decompressed(decoder: Any, chunk: bytes, room: int) -> bytes:
    """Returns at most `room` bytes of a chunk's content."""
    try:
        data = decoder.decompress(chunk, room)
    except zlib.error as error:
        raise _damaged(str(error)) from None
    if decoder.unused_data:
        raise _damaged("it has bytes after its end")
    return data


def _damaged(reason: str) -> RequestError:
    return RequestError(400, f"The body must be one gzip stream. Received: {reason[:80]}.")


async def drain(request: Request) -> None:
    """Reads a refused body for a moment, so that the client can read the response.

    If a connection is closed while the client is sending, the response may be lost.
    """
    if request.headers.get("expect", "").lower() == "100-continue":
        return  # The client waits for the response before it sends the body.
    with contextlib.suppress(asyncio.TimeoutError, ClientDisconnect, RuntimeError):
        await asyncio.wait_for(_exhaust(request), _DRAIN_S)


async def _exhaust(request: Request) -> None:
    async for _ in request.stream():
        pass
