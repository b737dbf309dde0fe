"""Runs jobs on models in worker threads, from a bounded queue, optionally in batches.

Takes jobs, gives futures. A job runs within its deadline or not at all, and its run ends when the
job is discarded. Waiting jobs with the same version, signature and shapes can share one run.
"""

import concurrent.futures
import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tf_style.serving import batching
from tf_style.serving.errors import HTTP_STATUS, RequestError
from tf_style.serving.signatures import Signature
from tf_style.serving.stop import Stop, when_any
from tf_style.serving.store import Lease

_LEAST_TIMEOUT_S = 0.001


@dataclasses.dataclass(eq=False, kw_only=True)
class Job:
    """One request's work.

    Attributes:
        lease: on the model's version; released when the job has ended.
        signature: the signature to run.
        inputs: arrays by name.
        deadline: a time of `time.monotonic`.
        future: receives the outputs by name, or an exception.
        stop: set when nobody waits for the outputs any more.
    """

    lease: Lease
    signature: Signature
    inputs: Mapping[str, np.ndarray]
    deadline: float
    future: "concurrent.futures.Future[dict[str, np.ndarray]]" = dataclasses.field(
        default_factory=concurrent.futures.Future
    )
    stop: Stop = dataclasses.field(default_factory=Stop)

    @property
    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline <= time.monotonic()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits on running and waiting jobs.

    Attributes:
        workers: number of simultaneous runs.
        queue: number of jobs that may wait; further jobs are refused.
        batch: largest number of rows in one run of several jobs.
        batched: signatures whose first dimension is a batch of independent rows.
    """

    workers: int
    queue: int
    batch: int = 1
    batched: Collection[str] = ()


class Executor:
    """Worker threads that run jobs from a queue."""

    def __init__(
        self,
        limits: Limits,
        *,
        on_run: Callable[[str, int, float], None] = lambda signature, rows, seconds: None,
    ) -> None:
        """Starts the threads.

        Args:
            limits: on running and waiting jobs.
            on_run: called after each run with its signature, rows and seconds.
        """
        self._limits = limits
        self._on_run = on_run
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._running = 0
        self._stopping = False
        self._mean_seconds = 1.0
        self._threads = [
            threading.Thread(target=self._work, name=f"model-{index}", daemon=True)
            for index in range(limits.workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def num_waiting(self) -> int:
        """Number of jobs in the queue."""
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        """Number of runs in progress."""
        return self._running

    @property
    def is_full(self) -> bool:
        """Whether a new job would be refused."""
        return len(self._waiting) >= self._limits.queue + self._limits.workers - self._running

    def full_error(self) -> RequestError:
        """Returns the error 503 of a full queue, with an estimate of the seconds until a retry."""
        seconds = max(1, min(600, round(self._mean_seconds / self._limits.workers)))
        return RequestError(
            503,
            f"The queue is full ({self._limits.queue} requests are waiting). Try again in about "
            f"{seconds} s, or start the server with a larger --max_queue.",
            retry_after_s=seconds,
        )

    def submit(self, job: Job) -> None:
        """Adds a job to the queue, which takes over the job's lease.

        Raises:
            RequestError: 503 if the queue is full or stopping; the lease is released.
        """
        with self._changed:
            if self._stopping:
                error = RequestError(503, "The server is stopping.", retry_after_s=1)
            elif self.is_full:
                error = self.full_error()
            else:
                self._waiting.append(job)
                self._changed.notify()
                return
        job.lease.release()
        raise error

    def discard(self, job: Job) -> None:
        """Removes a job from the queue, or ends its run; other jobs in it run again without it."""
        job.future.cancel()
        job.stop.set()
        with self._changed:
            if job not in self._waiting:
                return
            self._waiting.remove(job)
        job.lease.release()

    def stop(self, *, timeout_s: float) -> bool:
        """Refuses new jobs and waits for the others; returns whether all have ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                if not self._waiting:
                    return
                jobs = self._next_jobs()
                self._running += 1
            try:
                self._run(jobs)
            finally:
                for job in jobs:
                    job.lease.release()
                del job, jobs  # Frees their arrays before the next job comes.
                with self._changed:
                    self._running -= 1

    def _next_jobs(self) -> list[Job]:
        """Removes the first job from the queue, and the jobs that can share its run."""
        first = self._waiting.popleft()
        key, rows = self._key(first), batching.batch_size(first.inputs) or 1
        jobs = [first]
        if key is None:
            return jobs
        for job in list(self._waiting):
            more = batching.batch_size(job.inputs) or 1
            if rows + more <= self._limits.batch and self._key(job) == key:
                self._waiting.remove(job)
                jobs.append(job)
                rows += more
        return jobs

    def _key(self, job: Job) -> Any:
        """Returns a key; jobs with equal keys can share a run. None for a job that runs alone."""
        if (
            job.signature.name not in self._limits.batched
            or not job.signature.is_batched
            or batching.batch_size(job.inputs) is None
        ):
            return None
        lease = job.lease
        shapes = batching.shape_key(job.inputs)
        return id(lease.model), lease.version, job.signature.name, shapes

    def _run(self, jobs: list[Job]) -> None:
        jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        together = _awaited(jobs)
        while len(together) > 1 and not self._run_together(together):
            staying = _awaited(together)
            if len(staying) == len(together):
                break  # The batch itself failed.
            together = staying
        for job in jobs:
            if job.future.done():
                continue
            try:
                if job.stop.is_set:
                    raise RequestError(HTTP_STATUS["CANCELLED"], "The client has left.")
                if job.is_late:
                    raise RequestError(
                        504,
                        "The request timed out while it waited in the queue. Try again later, "
                        "or start the server with a larger --timeout_s.",
                    )
                job.future.set_result(self._timed([job], job.inputs))
            except RequestError as error:
                # Drops the traceback, whose frames would keep the arrays.
                job.future.set_exception(error.with_traceback(None))
            except Exception as error:  # A bug; it affects only this request.
                job.future.set_exception(error)

    def _run_together(self, jobs: list[Job]) -> bool:
        """Runs jobs as one batch; returns whether they have their outputs.

        They have none if the batch fails, so that one bad request does not spoil the others, or if
        one of the jobs is discarded meanwhile, so that the others do not wait for its rows.
        """
        sizes = [batching.batch_size(job.inputs) or 1 for job in jobs]
        try:
            inputs = batching.merge([job.inputs for job in jobs])
            outputs = self._timed(jobs, inputs)
        except Exception:  # For example, too little memory for the whole batch.
            return False
        parts = batching.split(outputs, sizes)
        if parts is None:  # The first dimension is not a batch after all.
            return False
        for job, part in zip(jobs, parts, strict=True):
            job.future.set_result(part)
        return True

    def _timed(
        self, jobs: Sequence[Job], inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        began, job = time.monotonic(), jobs[0]
        timeout = max(_LEAST_TIMEOUT_S, max(job.deadline for job in jobs) - began)
        stop = when_any([job.stop for job in jobs])
        try:
            return job.lease.model.run(job.signature, inputs, timeout_s=timeout, stop=stop)
        finally:
            seconds = time.monotonic() - began
            self._mean_seconds += 0.2 * (seconds - self._mean_seconds)
            self._on_run(job.signature.name, batching.batch_size(inputs) or 1, seconds)


def _awaited(jobs: Sequence[Job]) -> list[Job]:
    """Returns the jobs whose outputs somebody waits for."""
    return [job for job in jobs if not job.is_late and not job.stop.is_set]
