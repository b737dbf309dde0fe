"""The server's HTTP application: turns requests into responses. Takes a service.

The event loop only moves bytes. JSON is read and written in separate threads, and models run in
the executor's threads. Unless the settings name origins, no CORS headers are sent, so that browsers
do not let pages of other origins read the responses.
"""

import asyncio
import concurrent.futures
import gzip
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tf_style.serving.errors import RequestError, error_text
from tf_style.serving.executor import Job
from tf_style.serving.metrics import CONTENT_TYPE
from tf_style.serving.paths import Call, parse_path
from tf_style.serving.request_body import Bodies, drain
from tf_style.serving.service import GRACE_S, Service

_JSON_THREADS = 2
_HELD_BODIES = 4
_CLIENT_GONE = 499
_LEAST_GZIP = 1024  # Bytes.
_GZIP_LEVEL = 1  # Pictures hardly get smaller at higher ones.
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def make_app(service: Service, *, on_request: Callable[[str], None] | None = None) -> ASGIApp:
    """Returns the ASGI application.

    Args:
        service: answers the requests.
        on_request: called with one line of text for each request (an access log), or None.
    """
    endpoints = _Endpoints(service)
    application = Starlette(
        routes=[
            Route("/healthz", endpoints.healthz),
            Route("/readyz", endpoints.readyz),
            Route("/metrics", endpoints.metrics),
            Route("/monitoring/prometheus/metrics", endpoints.metrics),  # TensorFlow Serving's.
            Route("/v1/{path:path}", endpoints.api, methods=_METHODS),
        ],
        middleware=_cors(service.settings.cors_origins),
        exception_handlers={HTTPException: _unknown_path, Exception: _bug},
    )
    return _Measured(application, service, on_request)


def _cors(origins: Sequence[str]) -> list[Middleware]:
    """Returns what lets pages of these origins call the server; nothing for none."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
        )
    ]


class _Endpoints:
    """The handlers of the routes."""

    def __init__(self, service: Service) -> None:
        settings = service.settings
        self._service = service
        self._json = concurrent.futures.ThreadPoolExecutor(_JSON_THREADS, "json")
        self._bodies = bodies = Bodies(
            max_bytes=settings.max_body_bytes,
            max_held_bytes=_HELD_BODIES * settings.max_body_bytes,
            timeout_s=settings.body_timeout_s,
        )
        service.metrics.gauge(
            "tf_style_held_bytes", "Bytes of request bodies held.", lambda: bodies.held_bytes
        )

    async def healthz(self, request: Request) -> Response:
        return _json_response('{"status": "ok"}')

    async def readyz(self, request: Request) -> Response:
        if self._service.is_stopping or not self._service.is_ready:
            reason = "is stopping" if self._service.is_stopping else "is loading its models"
            return _refusal(RequestError(503, f"The server {reason}.", retry_after_s=1))
        return _json_response('{"status": "ready"}')

    async def metrics(self, request: Request) -> Response:
        return Response(self._service.metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def api(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        try:
            call = parse_path(method, request.scope["raw_path"].decode("ascii", "replace"))
            request.scope["tf_style.kind"] = call.kind
            call = self._service.resolve(call)
            if call.kind == "status":
                return _json_response(self._service.status(call))
            if call.kind == "metadata":
                return _json_response(await self._in_thread(self._service.metadata, call))
            if call.kind == "predict":
                return await self._predict(request, call)
            raise RequestError(
                400,
                f"This server answers predict, not {call.kind}. Send the inputs to "
                f"/v1/models/{call.model}:predict.",
            )
        except ClientDisconnect:
            return Response(status_code=_CLIENT_GONE)
        except RequestError as error:
            if method == "GET" or request.scope.get("tf_style.body_read"):
                return _refusal(error)
            if error.status != 408:
                await drain(request)
            return _refusal(error, close=True)

    async def _predict(self, request: Request, call: Call) -> Response:
        self._service.check_predict(call)
        async with self._bodies.read(request) as body:
            request.scope["tf_style.body_read"] = True
            job, as_rows = await self._in_thread(self._service.job, call, body)
            body.clear()
            self._service.submit(job)
            outputs = await self._result(request, job)
            text = await self._in_thread(self._service.encode, job, outputs, as_rows)
            if len(text) < _LEAST_GZIP or not _accepts_gzip(request):
                return _json_response(text)
            text = await self._in_thread(gzip.compress, text, _GZIP_LEVEL)
            headers = {"content-encoding": "gzip", "vary": "Accept-Encoding"}
            return _json_response(text, headers=headers)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._json, function, *arguments)

    async def _result(self, request: Request, job: Job) -> Mapping[str, Any]:
        """Returns a job's outputs; discards it on a timeout or if the client disconnects."""
        future = asyncio.wrap_future(job.future)
        gone = asyncio.ensure_future(_until_gone(request))
        awaited: list[asyncio.Future[Any]] = [future, gone]
        try:
            await asyncio.wait(
                awaited,
                timeout=max(0.0, job.deadline - time.monotonic()) + GRACE_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if future.done():
                return future.result()
            if gone.done():
                raise ClientDisconnect
            raise self._service.late_error()
        finally:
            gone.cancel()
            if not future.done():
                future.cancel()
                self._service.discard(job)


def _accepts_gzip(request: Request) -> bool:
    """Returns whether the header `Accept-Encoding` names gzip, and not with a weight of 0."""
    for entry in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = entry.replace(" ", "").partition(";q=")
        if name == "gzip":
            return weight.strip("0.") != "" or not weight
    return False


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json_response(
    text: str | bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(text, status, headers, media_type="application/json")


def _refusal(error: RequestError, *, close: bool = False) -> Response:
    headers = {"connection": "close"} if close else {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(error.retry_after_s)
    return _json_response(error_text(error.message), status=error.status, headers=headers)


async def _unknown_path(request: Request, error: Exception) -> Response:
    """Answers a request that matches no route."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    text = f"Not found: {request.method} {request.url.path[:200]}. Send GET /v1/models/NAME."
    return _json_response(error_text(text), status=status)


async def _bug(request: Request, error: Exception) -> Response:
    """Answers after an unexpected exception; the ASGI server logs the traceback."""
    text = f"The server failed: {type(error).__name__}. Its log has the traceback."
    return _json_response(error_text(text), status=500)


class _Measured:
    """Counts an application's requests and reports each of them."""

    def __init__(
        self, app: ASGIApp, service: Service, on_request: Callable[[str], None] | None
    ) -> None:
        self._app = app
        self._metrics = service.metrics
        self._on_request = on_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 500

        async def counted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            seconds = time.monotonic() - began
            self._metrics.request(scope.get("tf_style.kind", "other"), status, seconds)
            if self._on_request:
                path = scope["raw_path"].decode("ascii", "replace")  # Percent-encoded: one line.
                self._on_request(f"{scope['method']} {path} {status} {seconds:.3f} s")
