"""Models are warm before they are served: a tiny request for each signature has been run."""

import threading
import time

import numpy as np
import pytest
import tensorflow as tf
import toy_models
from serving_client import serve
from tensorflow_serving.apis import prediction_log_pb2

from tf_style.export.warm_up import read_requests, write_requests
from tf_style.serving.model import SavedModel
from tf_style.serving.store import Store
from tf_style.serving.warm_up import tiny_inputs, warm_up

REQUESTS = [
    ("add", {"x": np.float32([1.5, 2.5]), "amount": np.float32([4.0])}),
    ("named", {"tag": np.array([b"\xff\x00"], object), "signal": np.ones([1, 5], np.int32)}),
    ("third", {"x": np.float32([3.0]).astype(tf.bfloat16.as_numpy_dtype)}),
]


def written(folder):
    (path,) = (folder / "assets.extra").iterdir()
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(record) for record in records]


def equal(one, other):
    return one.keys() == other.keys() and all(
        value.dtype == other[name].dtype and np.array_equal(value, other[name])
        for name, value in one.items()
    )


def test_requests_are_in_the_form_of_tensorflow_serving(tmp_path):
    write_requests(tmp_path, REQUESTS, model="toy")
    logs = written(tmp_path)
    for log, (name, inputs) in zip(logs, REQUESTS, strict=True):
        request = log.predict_log.request
        assert (request.model_spec.name, request.model_spec.signature_name) == ("toy", name)
        found = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        assert equal(found, inputs)


def test_requests_of_tensorflow_serving_are_read(tmp_path):
    (tmp_path / "assets.extra").mkdir()
    log = prediction_log_pb2.PredictionLog()
    log.log_metadata.model_spec.name = "ignored"
    log.predict_log.request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))
    other = prediction_log_pb2.PredictionLog()
    other.classify_log.request.model_spec.name = "of another kind"
    path = tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString())
        writer.write(other.SerializeToString())
    ((name, inputs),) = read_requests(tmp_path)
    assert name == "serving_default"
    assert equal(inputs, {"x": np.float32([1.0])})
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match="damaged"):
        read_requests(tmp_path)


def test_a_few_bytes_do_not_ask_for_much_memory(tmp_path):
    (tmp_path / "assets.extra").mkdir()
    log = prediction_log_pb2.PredictionLog()
    tensor = log.predict_log.request.inputs["x"]
    tensor.CopyFrom(tf.make_tensor_proto([1.0]))
    path = tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    # The limit holds for the sum of all requests.
    for size, count, words in ((2**28, 1, "too large"), (6_000_000, 2, "too large"), (-1, 1, "")):
        tensor.tensor_shape.dim[0].size = size
        with tf.io.TFRecordWriter(str(path)) as writer:
            for _ in range(count):
                writer.write(log.SerializeToString())
        assert path.stat().st_size < 200
        with pytest.raises(ValueError, match=f"warm-up requests.*{words}"):
            read_requests(tmp_path)


class Recorder:
    """A model that notes which signatures were run."""

    def __init__(self, model):
        self.model, self.runs = model, []
        self.signatures = model.signatures
        self.warm_up_requests = model.warm_up_requests

    def run(self, signature, inputs, *, timeout_s, stop=None):
        outputs = self.model.run(signature, inputs, timeout_s=timeout_s, stop=stop)
        self.runs.append(signature.name)
        return outputs


def test_each_signature_is_run_with_the_given_requests_or_tiny_ones(tmp_path):
    toy_models.save(tmp_path)
    requests = [("add", {"x": np.float32([1.0])}), ("spin", {"steps": np.array(["no"], object)})]
    write_requests(tmp_path, requests, model="toy")
    model, said = Recorder(SavedModel(tmp_path)), []
    warm_up(model, timeout_s=10.0, notify=said.append)
    # `quote` and `raw` may refuse what they get; a wrong request is told.
    assert {"serving_default", "named", "add", "total", "invert_png", "third"} <= set(model.runs)
    assert len(said) == 1
    assert "A warm-up request for signature 'spin' failed" in said[0]


def test_tiny_inputs_fit_their_signatures(tmp_path):
    toy_models.save(tmp_path)
    model = SavedModel(tmp_path)
    for signature in model.signatures.values():
        for name, array in tiny_inputs(signature).items():
            assert signature.inputs[name].fits(array.shape)
            assert array.size < 10_000
            assert signature.inputs[name].dtype == array.dtype


def test_the_old_version_answers_until_the_new_one_is_warm(tmp_path):
    toy_models.save(tmp_path / "1", offset=1.0)
    with serve(tmp_path) as running:
        go_on = threading.Event()

        def load(folder):
            model = SavedModel(folder)
            go_on.wait(10)
            return model

        running.store._load = load
        toy_models.save(tmp_path / "2", offset=2.0)
        running.store.poll()
        poll = threading.Thread(target=running.store.poll)
        poll.start()
        end = time.monotonic() + 10
        states = {}
        while states.get(2) != "LOADING" and time.monotonic() < end:
            states = {v: status.state for v, status in running.store.statuses()}
        assert states == {1: "AVAILABLE", 2: "LOADING"}
        assert running.predict({"instances": [2.0]}).json == {"predictions": [2.0]}
        go_on.set()
        poll.join()
        assert running.predict({"instances": [2.0]}).json == {"predictions": [3.0]}


def test_a_server_is_not_ready_before_its_models_are(tmp_path):
    toy_models.save(tmp_path / "1")
    with serve(tmp_path) as running:
        assert running.get("/readyz").status == 200
        running.service._stores = {"toy": running.store, "late": Store(tmp_path, load=SavedModel)}
        answer = running.get("/readyz")
        assert (answer.status, answer.error) == (503, "The server is loading its models.")
        assert running.get("/healthz").status == 200
