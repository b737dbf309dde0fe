"""The server's logic without HTTP: turns calls and bodies into texts and jobs. Takes stores.

`metadata`, `job` and `encode` take a while and belong in a thread, and `stop` waits. All other
methods return at once.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence

import numpy as np

from tf_style.serving import rest
from tf_style.serving.errors import RequestError
from tf_style.serving.executor import Executor, Job, Limits
from tf_style.serving.metrics import Metrics
from tf_style.serving.paths import Call
from tf_style.serving.store import Lease, Store, VersionStatus

GRACE_S = 0.5
"""Seconds that a run gets after its deadline to end by itself, before it is discarded."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """A service's labels and limits.

    Attributes:
        labels: versions by label, or by "model/label" for one model.
        limits: the executor's limits.
        timeout_s: seconds that a request may take once its body has arrived.
        body_timeout_s: seconds within which the body must arrive.
        max_body_bytes: limit for one body; up to four times as much is held at a time.
        max_values: limit for the number of JSON values in a body or a response.
        cors_origins: origins whose pages may call the server; "*" is every one.
    """

    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    limits: Limits
    timeout_s: float
    body_timeout_s: float
    max_body_bytes: int
    max_values: int
    cors_origins: Sequence[str] = ()


class Service:
    """Answers calls about models and their versions, and runs them.

    Attributes:
        metrics: the Prometheus metrics.
        settings: labels and limits.
        is_stopping: whether new work is refused; may be set.
    """

    def __init__(self, stores: Mapping[str, Store], settings: Settings) -> None:
        """Starts the executor's threads. `stores` has the models by name."""
        self.metrics = Metrics()
        self.settings = settings
        self.is_stopping = False
        self._stores = stores
        self._executor = executor = Executor(settings.limits, on_run=self.metrics.run)
        for name, text, value in (
            ("queue_length", "Requests waiting for a model.", lambda: executor.num_waiting),
            ("running", "Model runs in progress.", lambda: executor.num_running),
        ):
            self.metrics.gauge(f"tf_style_{name}", text, value)
        self.metrics.gauges(
            "tf_style_model_version",
            "The newest version served.",
            {name: lambda store=store: store.newest or 0 for name, store in stores.items()},  # type: ignore[misc]
        )
        self.metrics.gauges(
            "tf_style_load_failures",
            "Versions that could not be loaded.",
            {name: lambda store=store: store.num_failures for name, store in stores.items()},  # type: ignore[misc]
        )

    @property
    def is_ready(self) -> bool:
        """Whether every model has a version that can answer."""
        return all(store.newest is not None for store in self._stores.values())

    def resolve(self, call: Call) -> Call:
        """Returns the call with the version that its label stands for.

        Raises:
            RequestError: 404 for another model; 400 for an unknown label.
        """
        if call.model not in self._stores:
            if call.kind == "status":
                raise RequestError(
                    404,
                    f"Could not find any versions of model {call.model}. {self._served()}",
                )
            raise self._not_found(call)
        if call.label is None:
            return call
        labels = self.settings.labels
        version = labels.get(f"{call.model}/{call.label}", labels.get(call.label))
        if version is None:
            raise RequestError(
                400,
                f"Unrecognized servable version label: {call.label}. Start the server with "
                "--labels=LABEL:VERSION to define it.",
            )
        return dataclasses.replace(call, version=version)

    def status(self, call: Call) -> str:
        """Returns the JSON of TensorFlow Serving's GetModelStatusResponse.

        Raises:
            RequestError: 404 for an unknown version.
        """
        statuses = [
            {
                "version": str(version),
                "state": status.state,
                "status": {
                    "error_code": "UNKNOWN" if status.error else "OK",
                    "error_message": status.error,
                },
            }
            for version, status in self.statuses(call)
        ]
        return rest.document_text({"model_version_status": statuses})

    def statuses(self, call: Call) -> list[tuple[int, VersionStatus]]:
        """Returns the statuses of the versions that a call names, the newest first.

        Raises:
            RequestError: 404 for an unknown version.
        """
        statuses = [
            (version, status)
            for version, status in self._stores[call.model].statuses()
            if call.version in (None, version)
        ]
        if not statuses:
            raise RequestError(404, f"Could not find version {call.version} of model {call.model}.")
        return statuses

    def metadata(self, call: Call) -> str:
        """Returns the JSON of TensorFlow Serving's GetModelMetadataResponse.

        Raises:
            RequestError: 404 for a version that is not served.
        """
        with self.lease(call) as lease:
            document = {
                "model_spec": {
                    "name": call.model,
                    "signature_name": "",
                    "version": str(lease.version),
                },
                "metadata": {"signature_def": {"signature_def": lease.model.metadata()}},
            }
        return rest.document_text(document)

    def check_predict(self, call: Call) -> None:
        """Checks a predict request before its body is read.

        Raises:
            RequestError: 404 for a version that is not served; 503 if the server is stopping or
                the queue is full.
        """
        self.lease(call).release()
        if self.is_stopping:
            raise RequestError(503, "The server is stopping.", retry_after_s=1)
        if self._executor.is_full:
            raise self._executor.full_error()

    def job(self, call: Call, body: bytes | bytearray) -> tuple[Job, bool]:
        """Returns a predict request's job, and whether it is in rows; the job's time starts now.

        Raises:
            RequestError: 400..501 if the body or the version is wrong.
        """
        deadline = time.monotonic() + self.settings.timeout_s
        lease = self.lease(call)
        try:
            document = rest.parse_body(body, max_values=self.settings.max_values)
            signature = rest.signature_of(document, lease.model.signatures)
            inputs, as_rows = rest.inputs_of(document, signature)
        except BaseException:
            lease.release()
            raise
        return Job(lease=lease, signature=signature, inputs=inputs, deadline=deadline), as_rows

    def job_of_arrays(
        self,
        call: Call,
        signature_name: str,
        arrays: Mapping[str, np.ndarray],
        *,
        timeout_s: float | None,
    ) -> Job:
        """Returns a job for arrays by name; its time starts now.

        Args:
            call: the model and its version.
            signature_name: empty for the default one.
            arrays: the inputs; those with defaults may be missing.
            timeout_s: the client's limit, or None.

        Raises:
            RequestError: 400 or 404 if a name, a type, a shape or the version is wrong.
        """
        allowed = self.settings.timeout_s
        deadline = time.monotonic() + min(allowed, allowed if timeout_s is None else timeout_s)
        lease = self.lease(call)
        try:
            document = {"signature_name": signature_name}
            signature = rest.signature_of(document, lease.model.signatures)
            inputs = rest.completed(arrays, signature, "inputs")
        except BaseException:
            lease.release()
            raise
        return Job(lease=lease, signature=signature, inputs=inputs, deadline=deadline)

    def encode(self, job: Job, outputs: Mapping[str, np.ndarray], as_rows: bool) -> bytes:
        """Returns the JSON of a job's outputs.

        Raises:
            RequestError: 400..501 if they are too large or JSON cannot represent them.
        """
        values = sum(array.size for array in outputs.values())
        if values > self.settings.max_values:
            raise RequestError(
                400,
                f"The answer would have {values} values, above the limit of "
                f"{self.settings.max_values}. Send a smaller input, use a signature that returns "
                "pictures as bytes, or start the server with a larger --max_values.",
            )
        return rest.response_text(outputs, job.signature, as_rows=as_rows).encode()

    def submit(self, job: Job) -> None:
        """Adds a job to the queue.

        Raises:
            RequestError: 503 if the queue is full or stopping.
        """
        self._executor.submit(job)

    def discard(self, job: Job) -> None:
        """Cancels a job whose outputs nobody waits for; a run in progress ends at its next step."""
        self._executor.discard(job)

    def late_error(self) -> RequestError:
        """Returns the error 504 of a job that has not ended in time."""
        return RequestError(
            504,
            f"The request did not finish within {self.settings.timeout_s:g} s. Ask for less, or "
            "start the server with a larger --timeout_s.",
        )

    def stop(self, *, timeout_s: float) -> bool:
        """Refuses new work and waits for the rest; returns whether all of it has ended."""
        self.is_stopping = True
        return self._executor.stop(timeout_s=timeout_s)

    def lease(self, call: Call) -> Lease:
        """Returns a lease on the version that a call names.

        Raises:
            RequestError: 404 for a version that is not served.
        """
        lease = self._stores[call.model].lease(call.version)
        if lease is None:
            raise self._not_found(call)
        return lease

    def _not_found(self, call: Call) -> RequestError:
        text = f"Servable not found for request: {call.servable}. {self._served()}"
        return RequestError(404, text)

    def _served(self) -> str:
        """Returns a sentence that names the models and their versions."""
        models = [
            f"{name!r}, version {' and '.join(map(str, store.available)) or '(none yet)'}"
            for name, store in self._stores.items()
        ]
        served = "The model served here is" if len(models) == 1 else "The models served here are"
        return f"{served} {'; '.join(models)}."
