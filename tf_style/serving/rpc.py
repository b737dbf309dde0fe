"""The server's gRPC side: TensorFlow Serving's PredictionService and ModelService.

Takes a service, as `app` does. Needs the extra `grpc`. A request whose client cancels it or runs
out of time is discarded, so that its run ends.
"""

import concurrent.futures
import time
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tf_style.serving.errors import RequestError
from tf_style.serving.model import array_of, tensor_of
from tf_style.serving.paths import Call
from tf_style.serving.service import GRACE_S, Service

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_SPARE_THREADS = 4


def make_server(service: Service, *, host: str, port: int) -> tuple[grpc.Server, int]:
    """Returns a gRPC server that has not started, and its port.

    Args:
        service: answers the requests.
        host: name or address to listen on.
        port: 0..65535; 0 picks a free port.

    Raises:
        RuntimeError: if the address cannot be bound.
    """
    limits, size = service.settings.limits, service.settings.max_body_bytes
    threads = limits.workers * limits.batch + limits.queue + _SPARE_THREADS
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(threads, "grpc"),
        options=[
            ("grpc.max_receive_message_length", size),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
        maximum_concurrent_rpcs=threads,
    )
    servicer = _Servicer(service)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    address = f"[{host}]" if ":" in host else host
    return server, server.add_insecure_port(f"{address}:{port}")


class _Servicer(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """The methods of both services; the other ones answer UNIMPLEMENTED."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def Predict(self, request: Any, context: Any) -> Any:
        """Runs a signature on tensors."""
        return self._measured(self._predict, request, context, "predict")

    def GetModelMetadata(self, request: Any, context: Any) -> Any:
        """Returns the signatures of a version."""
        return self._measured(self._metadata, request, context, "metadata")

    def GetModelStatus(self, request: Any, context: Any) -> Any:
        """Returns the states of a model's versions."""
        return self._measured(self._status, request, context, "status")

    def _measured(
        self, method: Callable[[Any, Any, Call], Any], request: Any, context: Any, kind: str
    ) -> Any:
        """Calls a method; turns its errors into gRPC's, and counts the request."""
        began, status = time.monotonic(), 200
        try:
            return method(request, context, self._call(request.model_spec, kind))
        except RequestError as error:
            status = error.status
            _abort(context, error)
        except Exception:
            status = 500
            raise
        finally:
            seconds = time.monotonic() - began
            self._service.metrics.request(f"grpc_{kind}", status, seconds)

    def _call(self, spec: Any, kind: str) -> Call:
        choice = spec.WhichOneof("version_choice")
        return self._service.resolve(
            Call(
                kind=kind,
                model=spec.name,
                version=spec.version.value if choice == "version" else None,
                label=spec.version_label if choice == "version_label" else None,
            )
        )

    def _predict(self, request: Any, context: Any, call: Call) -> Any:
        self._service.check_predict(call)
        most = self._service.settings.max_values
        arrays = {
            name: array_of(tensor, f"inputs.{name[:80]}", max_values=most)
            for name, tensor in request.inputs.items()
        }
        job = self._service.job_of_arrays(
            call,
            request.model_spec.signature_name,
            arrays,
            timeout_s=context.time_remaining(),
        )
        unknown = set(request.output_filter) - set(job.signature.outputs)
        if unknown:
            job.lease.release()
            text = f"output tensor alias not found in signature: {min(unknown)[:80]}"
            raise RequestError(400, text)
        version = job.lease.version
        self._service.submit(job)
        if not context.add_callback(lambda: self._service.discard(job)):
            self._service.discard(job)  # The client has left already.
        try:
            left = max(0.0, job.deadline - time.monotonic())
            outputs = job.future.result(left + GRACE_S)
        except concurrent.futures.TimeoutError:
            self._service.discard(job)
            raise self._service.late_error() from None
        except concurrent.futures.CancelledError:
            raise RequestError(499, "The client has left.") from None
        response = predict_pb2.PredictResponse()
        response.model_spec.name, response.model_spec.version.value = call.model, version
        response.model_spec.signature_name = job.signature.name
        for name in request.output_filter or outputs:
            tensor = tensor_of(outputs[name], job.signature.outputs[name])
            response.outputs[name].CopyFrom(tensor)
        return response

    def _metadata(self, request: Any, context: Any, call: Call) -> Any:
        if list(request.metadata_field) != ["signature_def"]:
            raise RequestError(400, "`metadata_field` must be 'signature_def', once.")
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        signatures = get_model_metadata_pb2.SignatureDefMap()
        with self._service.lease(call) as lease:
            response.model_spec.name, response.model_spec.version.value = call.model, lease.version
            for name, definition in lease.model.definitions.items():
                signatures.signature_def[name].CopyFrom(definition)
        response.metadata["signature_def"].Pack(signatures)
        return response

    def _status(self, request: Any, context: Any, call: Call) -> Any:
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, status in self._service.statuses(call):
            entry = response.model_version_status.add(version=version, state=status.state)
            if status.error:
                entry.status.error_code, entry.status.error_message = 2, status.error
        return response


def _abort(context: Any, error: RequestError) -> NoReturn:
    context.abort(_CODES.get(error.status, grpc.StatusCode.UNKNOWN), error.message)
    raise AssertionError  # `abort` raises.
