"""A queue of requests, run one by one or as a batch, with models in pure Python."""

import threading
import time
import weakref

import numpy as np
import pytest

from tf_style.serving import batching
from tf_style.serving.errors import RequestError
from tf_style.serving.executor import Executor, Job, Limits
from tf_style.serving.signatures import Signature, TensorInfo
from tf_style.serving.stop import Stop, when_any

ROWS = TensorInfo(dtype=np.dtype(np.float32), dtype_name="float32", shape=(None,))
ROW_PAIRS = TensorInfo(dtype=np.dtype(np.float32), dtype_name="float32", shape=(None, 2))
SCALAR = TensorInfo(dtype=np.dtype(np.float32), dtype_name="float32", shape=())


def signature(name="twice", inputs=None, outputs=None):
    return Signature(
        name=name, inputs=inputs or {"x": ROWS}, outputs=outputs or {"y": ROWS}, defaults={}
    )


class Python:
    """A model that doubles numbers, refuses negative ones, and can be blocked."""

    signatures = {}

    def __init__(self):
        self.runs = []
        self.timeouts = []
        self.go_on = threading.Event()
        self.go_on.set()

    def run(self, signature, inputs, *, timeout_s, stop=None):
        self.go_on.wait(10)
        self.runs.append({name: array.tolist() for name, array in inputs.items()})
        self.timeouts.append(timeout_s)
        if any((array < 0).any() for array in inputs.values()):
            raise RequestError(400, "`x` must be at least 0.")
        if signature.name == "sum":
            return {"y": np.sum(inputs["x"])[np.newaxis]}
        return {"y": 2 * inputs["x"] + inputs.get("plus", 0)}


class FakeLease:
    def __init__(self, model, version=1):
        self.model, self.version, self.releases = model, version, 0

    def release(self):
        self.releases += 1


@pytest.fixture
def model():
    return Python()


@pytest.fixture
def start():
    """Returns a function that starts an executor, which is stopped after the test."""
    started = []

    def make(*, on_run=lambda *values: None, **limits):
        limits = {"workers": 1, "queue": 16, "batched": ["twice", "sum"], **limits}
        started.append(Executor(Limits(**limits), on_run=on_run))
        return started[-1]

    yield make
    for executor in started:
        assert executor.stop(timeout_s=10)


def job(model, x, *, seconds=60.0, of=None, version=1, **more):
    inputs = {"x": x, **more}
    return Job(
        lease=FakeLease(model, version),
        signature=of or signature(),
        inputs={name: np.float32(value) for name, value in inputs.items()},
        deadline=time.monotonic() + seconds,
    )


def held_up(executor, model):
    """Blocks the worker in a first job, so that other jobs must wait; returns that job."""
    model.go_on.clear()
    first = job(model, [0.0], of=signature("alone"))
    executor.submit(first)
    while not executor.num_running:
        time.sleep(0.001)
    return first


def submit_all(executor, model, jobs):
    held_up(executor, model)
    for each in jobs:
        executor.submit(each)
    model.go_on.set()
    return [outcome(each) for each in jobs]


def outcome(job):
    try:
        return job.future.result(10)["y"].tolist()
    except RequestError as error:
        return error.status


def test_a_finished_jobs_arrays_are_freed(start, model):
    executor = start(workers=2)
    kept = []
    for number in range(4):
        done = job(model, [float(number)])
        executor.submit(done)
        assert outcome(done) == [2.0 * number]
        kept.append(weakref.ref(done.inputs["x"]))
        del done
    deadline = time.monotonic() + 5
    while any(array() is not None for array in kept) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [array() for array in kept] == [None] * 4


def test_requests_merge_row_after_row_and_split_again():
    requests = [
        {"x": np.array([1, 2]), "n": np.array([7])},
        {"x": np.array([3]), "n": np.array([8])},
        {"x": np.array([4, 5]), "n": np.array([9, 10])},
    ]
    assert [batching.batch_size(inputs) for inputs in requests] == [2, 1, 2]
    merged = batching.merge(requests)
    assert merged["x"].tolist() == [1, 2, 3, 4, 5]
    assert merged["n"].tolist() == [7, 7, 8, 9, 10]  # One for all rows becomes one for each.
    parts = batching.split({"y": 10 * merged["x"]}, [2, 1, 2])
    assert [part["y"].tolist() for part in parts] == [[10, 20], [30], [40, 50]]


def test_arrays_without_common_rows_are_not_a_batch():
    assert batching.batch_size({"x": np.zeros(2), "y": np.zeros(3)}) is None
    assert batching.batch_size({"x": np.zeros(())}) is None
    assert batching.batch_size({"x": np.zeros((0, 2))}) is None
    assert batching.split({"y": np.zeros(3)}, [1, 1]) is None
    assert batching.split({"y": np.zeros(())}, [1]) is None


def test_requests_with_different_sizes_do_not_share_a_batch():
    small, large = {"x": np.zeros((1, 2))}, {"x": np.zeros((1, 3))}
    assert batching.shape_key(small) != batching.shape_key(large)
    assert batching.shape_key(small) == batching.shape_key({"x": np.zeros((5, 2))})


def test_a_job_gets_its_outputs_and_releases_its_lease(start, model):
    one = job(model, [1.0, 2.0])
    start().submit(one)
    assert outcome(one) == [2.0, 4.0]
    deadline = time.monotonic() + 10
    while not one.lease.releases and time.monotonic() < deadline:
        time.sleep(0.001)
    assert one.lease.releases == 1


def test_waiting_jobs_share_a_run_and_each_gets_its_own_rows(start, model):
    runs = []
    executor = start(batch=8, on_run=lambda *values: runs.append(values[:2]))
    jobs = [job(model, [1.0]), job(model, [2.0, 3.0]), job(model, [4.0])]
    assert submit_all(executor, model, jobs) == [[2.0], [4.0, 6.0], [8.0]]
    assert model.runs == [{"x": [0.0]}, {"x": [1.0, 2.0, 3.0, 4.0]}]
    assert runs == [("alone", 1), ("twice", 4)]


def test_a_batch_has_a_limit_of_rows(start, model):
    jobs = [job(model, [float(number)]) for number in range(5)]
    found = submit_all(start(batch=2), model, jobs)
    assert found == [[0.0], [2.0], [4.0], [6.0], [8.0]]
    assert [len(run["x"]) for run in model.runs] == [1, 2, 2, 1]


def test_only_named_signatures_are_batched(start, model):
    jobs = [job(model, [1.0]), job(model, [2.0])]
    assert submit_all(start(batch=8, batched=[]), model, jobs) == [[2.0], [4.0]]
    assert [len(run["x"]) for run in model.runs] == [1, 1, 1]


@pytest.mark.parametrize("outputs", [{"y": SCALAR}, {"y": ROWS, "loss": SCALAR}])
def test_a_signature_without_rows_is_not_batched(start, model, outputs):
    jobs = [job(model, [number], of=signature(outputs=outputs)) for number in (1.0, 2.0)]
    assert submit_all(start(batch=8), model, jobs) == [[2.0], [4.0]]
    assert len(model.runs) == 3


def test_jobs_of_different_versions_signatures_or_shapes_do_not_share_a_run(start, model):
    pairs = signature(inputs={"x": ROW_PAIRS}, outputs={"y": ROW_PAIRS})
    jobs = [
        job(model, [1.0]),
        job(model, [2.0], version=2),
        job(model, [3.0], of=signature("other")),
        job(model, [[4.0, 5.0]], of=pairs),
        job(model, [6.0]),
    ]
    found = submit_all(start(batch=8), model, jobs)
    assert found == [[2.0], [4.0], [6.0], [[8.0, 10.0]], [12.0]]
    assert sorted(len(run["x"]) for run in model.runs[1:]) == [1, 1, 1, 2]


def test_a_single_row_applies_to_all_rows_of_its_own_request(start, model):
    of = signature(inputs={"x": ROWS, "plus": ROWS})
    jobs = [job(model, [1.0, 2.0], of=of, plus=[100.0]), job(model, [3.0], of=of, plus=[0.5])]
    assert submit_all(start(batch=8), model, jobs) == [[102.0, 104.0], [6.5]]
    assert len(model.runs) == 2


def test_a_bad_request_does_not_spoil_its_batch(start, model):
    jobs = [job(model, [1.0]), job(model, [-1.0]), job(model, [3.0])]
    assert submit_all(start(batch=8), model, jobs) == [[2.0], 400, [6.0]]


def test_jobs_whose_outputs_are_not_rows_are_run_one_by_one(start, model):
    jobs = [job(model, [1.0, 2.0], of=signature("sum")), job(model, [4.0], of=signature("sum"))]
    assert submit_all(start(batch=8), model, jobs) == [[3.0], [4.0]]


def test_a_full_queue_refuses_a_job_with_a_retry_time(start, model):
    executor = start(queue=2)
    held_up(executor, model)
    waiting = [job(model, [1.0]), job(model, [2.0])]
    for each in waiting:
        executor.submit(each)
    assert executor.is_full
    assert executor.num_waiting == 2
    refused = job(model, [3.0])
    with pytest.raises(RequestError) as caught:
        executor.submit(refused)
    assert caught.value.status == 503
    assert caught.value.retry_after_s >= 1
    assert refused.lease.releases == 1
    model.go_on.set()
    assert [outcome(each) for each in waiting] == [[2.0], [4.0]]


def test_a_free_worker_takes_a_job_without_any_queue(start, model):
    executor = start(queue=0)
    first = held_up(executor, model)
    with pytest.raises(RequestError, match="queue is full"):
        executor.submit(job(model, [1.0]))
    model.go_on.set()
    first.future.result(10)
    deadline = time.monotonic() + 10
    while executor.is_full and time.monotonic() < deadline:
        time.sleep(0.001)
    last = job(model, [2.0])
    executor.submit(last)
    assert outcome(last) == [4.0]


def test_a_late_job_is_not_run(start, model):
    executor = start()
    assert submit_all(executor, model, [job(model, [1.0], seconds=0.0)]) == [504]
    assert model.runs == [{"x": [0.0]}]


def test_a_runs_timeout_is_the_time_left(start, model):
    one = job(model, [1.0], seconds=5.0)
    start().submit(one)
    outcome(one)
    assert 4.0 < model.timeouts[0] <= 5.0


def test_a_discarded_job_is_not_run_and_frees_its_place(start, model):
    executor = start(queue=1)
    held_up(executor, model)
    gone, next_one = job(model, [1.0]), job(model, [2.0])
    executor.submit(gone)
    executor.discard(gone)
    executor.submit(next_one)
    model.go_on.set()
    assert outcome(next_one) == [4.0]
    assert gone.future.cancelled()
    assert gone.lease.releases == 1
    assert {"x": [1.0]} not in model.runs


class Endless:
    """A model whose runs end only when they are stopped."""

    def __init__(self):
        self.stopped = threading.Event()

    def run(self, signature, inputs, *, timeout_s, stop):
        stop.then(self.stopped.set)
        if not self.stopped.wait(10):
            return {"y": inputs["x"]}
        raise RequestError(499, "stopped")


def test_discarding_a_job_ends_its_run(start, model):
    executor = start()
    endless, next_one = job(Endless(), [1.0]), job(model, [2.0])
    executor.submit(endless)
    executor.submit(next_one)
    while not executor.num_running:
        time.sleep(0.001)
    executor.discard(endless)
    assert outcome(next_one) == [4.0]
    assert outcome(endless) == 499


def test_a_stop_of_several_is_set_with_the_first_of_them():
    stops = [Stop(), Stop()]
    shared = when_any(stops)
    ended = []
    shared.then(lambda: ended.append(True))
    assert not shared.is_set
    stops[0].set()
    stops[1].set()
    assert shared.is_set
    assert ended == [True]


def wait_for(holds, seconds=10.0):
    """Returns whether a condition holds within some seconds."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.001)
    return holds()


class StuckAtNine(Python):
    """A model that runs until it is stopped if its input has a 9."""

    def run(self, signature, inputs, *, timeout_s, stop=None):
        outputs = super().run(signature, inputs, timeout_s=timeout_s, stop=stop)
        if 9 in inputs["x"]:
            ended = threading.Event()
            stop.then(ended.set)
            assert ended.wait(10)
            raise RequestError(499, "The client has left.")
        return outputs


def test_jobs_do_not_wait_for_a_discarded_one_in_their_batch(start):
    model = StuckAtNine()
    executor = start(batch=8)
    held_up(executor, model)
    leaving, *staying = jobs = [job(model, [value]) for value in (9.0, 1.0, 2.0)]
    for each in jobs:
        executor.submit(each)
    model.go_on.set()
    assert wait_for(lambda: model.runs[1:] == [{"x": [9.0, 1.0, 2.0]}])
    executor.discard(leaving)
    assert [outcome(each) for each in staying] == [[2.0], [4.0]]
    assert model.runs[2:] == [{"x": [1.0, 2.0]}]  # The others stay together.
    assert outcome(leaving) == 499


def test_a_bug_in_a_model_affects_only_its_request(start):
    class Buggy:
        def run(self, signature, inputs, *, timeout_s, stop=None):
            raise KeyError("bug")

    executor = start()
    one, two = job(Buggy(), [1.0]), job(Python(), [1.0])
    executor.submit(one)
    executor.submit(two)
    with pytest.raises(KeyError):
        one.future.result(10)
    assert outcome(two) == [2.0]


def test_several_workers_run_at_a_time(start):
    together = threading.Barrier(2, timeout=10)

    class Meeting:
        def run(self, signature, inputs, *, timeout_s, stop=None):
            together.wait()
            return {"y": inputs["x"]}

    executor = start(workers=2)
    jobs = [job(Meeting(), [1.0]), job(Meeting(), [2.0])]
    for each in jobs:
        executor.submit(each)
    assert [outcome(each) for each in jobs] == [[1.0], [2.0]]


def test_a_stop_finishes_accepted_jobs_and_refuses_new_ones(start, model):
    executor = start()
    held_up(executor, model)
    waiting = job(model, [1.0])
    executor.submit(waiting)
    assert not executor.stop(timeout_s=0.05)
    with pytest.raises(RequestError, match="stopping"):
        executor.submit(job(model, [2.0]))
    model.go_on.set()
    assert executor.stop(timeout_s=10)
    assert outcome(waiting) == [2.0]
