"""Runs an ASGI application with uvicorn, on a socket and in a thread of its own."""

import asyncio
import socket
import threading
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

_HEAD_TIMEOUT_S = 20.0
_KEEP_ALIVE_S = 60
_BACKLOG = 128


class Server:
    """Listens on an address and answers requests in a thread."""

    def __init__(self, app: ASGIApp, *, host: str, port: int, grace_s: float) -> None:
        """Binds the address; `start` begins to answer.

        Args:
            app: the ASGI application.
            host: name or address to listen on.
            port: 0..65535; 0 picks a free port.
            grace_s: seconds that open requests get when the server is stopped.

        Raises:
            OSError: if the address cannot be bound.
        """
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        # Without an explicit protocol asyncio leaves Nagle's algorithm on: 40 ms per response.
        self._socket = socket.socket(family, kind, protocol)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(address)
            self._socket.listen(_BACKLOG)
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=_Protocol,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=max(1, round(grace_s)),
            )
        )
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

    def start(self) -> None:
        """Starts to answer requests.

        Raises:
            RuntimeError: if uvicorn does not start.
        """
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
            if not self._thread.is_alive():
                raise RuntimeError("The HTTP server did not start.")

    def stop(self, *, timeout_s: float | None = None) -> bool:
        """Refuses new connections and waits for open requests; returns whether all have ended.

        Args:
            timeout_s: seconds to wait, or None for no limit.
        """
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


class _Protocol(H11Protocol):
    """HTTP/1.1 that closes a connection if a request's head does not arrive in time."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Runs a timer while a head is awaited; between requests uvicorn has its own."""
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(_HEAD_TIMEOUT_S, self._give_up)

    def _forget(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()
