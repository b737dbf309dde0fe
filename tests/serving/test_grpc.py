"""The gRPC services are TensorFlow Serving's: its own client can call them."""

import contextlib
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
import toy_models
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

import tf_style
from tf_style.export.tensor_names import named_terms
from tf_style.network.extractor import make_extractor
from tf_style.serving.executor import Limits
from tf_style.serving.model import SavedModel
from tf_style.serving.rpc import make_server
from tf_style.serving.service import Service, Settings
from tf_style.serving.store import Store


@contextlib.contextmanager
def serving(folder, name, **settings):
    """Yields a channel to a server of the folder's versions."""
    store = Store(folder, load=SavedModel)
    store.start()
    values = {
        "limits": Limits(workers=1, queue=8),
        "timeout_s": 300.0,
        "body_timeout_s": 5.0,
        "max_body_bytes": 4_000_000,
        "max_values": 100_000,
        "labels": {"stable": 1},
        **settings,
    }
    service = Service({name: store}, Settings(**values))
    server, port = make_server(service, host="127.0.0.1", port=0)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    server.stop(None).wait()
    assert service.stop(timeout_s=10)
    store.close()


@pytest.fixture(scope="module")
def channel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grpc")
    toy_models.save(folder / "1", offset=3.0)
    with serving(folder, "toy") as channel:
        yield channel


@pytest.fixture
def stub(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def request_of(signature, inputs, name="toy", outputs=()):
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def test_a_tensorflow_serving_client_gets_predictions(stub):
    response = stub.Predict(request_of("", {"x": np.float32([1.0, 2.0, 5.0])}), timeout=30)
    assert tf.make_ndarray(response.outputs["y"]).tolist() == [3.5, 4.0, 5.5]
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "serving_default"


def test_pictures_are_bytes_and_options_may_be_left_out(stub, rng):
    data, pixels = toy_models.png(rng)
    for more, expected in (({}, 255 - pixels), ({"times": np.int32([2])}, pixels)):
        request = request_of("invert_png", {"content_bytes": [data], **more})
        (found,) = tf.make_ndarray(stub.Predict(request, timeout=30).outputs["png_bytes"])
        np.testing.assert_array_equal(tf.io.decode_png(found).numpy(), expected)


def test_outputs_can_be_chosen(stub):
    inputs = {"x": np.ones([2, 3], np.float32)}
    response = stub.Predict(request_of("total", inputs, outputs=["sum"]), timeout=30)
    assert set(response.outputs) == {"sum"}
    assert tf.make_ndarray(response.outputs["sum"]) == 6.0


@pytest.mark.parametrize(
    "request_, code, words",
    [
        (request_of("", {"x": np.float32([1])}, name="other"), "NOT_FOUND", "Latest(other)"),
        (request_of("invert_png", {"content_bytes": [b"no"]}), "INVALID_ARGUMENT", ""),
        (request_of("none", {"x": [1.0]}), "INVALID_ARGUMENT", "must be one of"),
        (request_of("", {"y": np.float32([1])}), "INVALID_ARGUMENT", "unknown key 'y'"),
        (request_of("", {"x": np.int32([1])}), "INVALID_ARGUMENT", "of type float32"),
        (request_of("total", {"x": np.float32([1])}), "INVALID_ARGUMENT", "shape [?, ?]"),
        (request_of("", {"x": [1.0]}, outputs=["z"]), "INVALID_ARGUMENT", "alias not found"),
        (request_of("spin", {"steps": np.int32([2**31 - 1])}), "DEADLINE_EXCEEDED", ""),
    ],
)
def test_errors_have_tensorflow_servings_codes(stub, request_, code, words):
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request_, timeout=1.0)
    assert caught.value.code() is getattr(grpc.StatusCode, code)
    assert words in caught.value.details()


def test_the_metadata_contains_the_saved_signatures(stub):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "toy"
    response = stub.GetModelMetadata(request, timeout=30)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    signature = found.signature_def["invert_png"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert {key: info.dtype for key, info in signature.inputs.items()} == {
        "content_bytes": tf.string.as_datatype_enum,
        "times": tf.int32.as_datatype_enum,
    }
    assert tf.make_ndarray(signature.defaults["times"]).tolist() == [1]
    assert signature.outputs["png_bytes"].dtype == tf.string.as_datatype_enum


def test_the_status_is_available(channel):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "toy"
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    (status,) = stub.GetModelStatus(request, timeout=30).model_version_status
    assert status.version == 1
    assert status.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE


@pytest.mark.slow
def test_an_exported_model_gives_the_pictures_and_losses_of_the_process(
    tmp_path, rng, mini_network, mini_layers
):
    # Adam, because the graph of a line search takes seconds to build. Its first steps are as long
    # for a gradient of 0, whose sign is rounding, as for any other; this preset has none of 0.
    config = tf_style.preset("classic").replace(scales="none", steps=2, optimizer="adam")
    tf_style.export_saved_model(tmp_path / "5", config=config)
    pictures = {
        f"{name}_bytes": rng.integers(0, 256, (*size, 3), np.uint8)
        for name, size in {"content": (32, 40), "style": (36, 33)}.items()
    }
    files = {name: [tf.io.encode_png(pixels).numpy()] for name, pixels in pictures.items()}
    images = [np.float32(pixels)[np.newaxis] / np.float32(255) for pixels in pictures.values()]
    with serving(tmp_path, "tf_style") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request_of("", files, name="tf_style"), timeout=300)
        (png,) = tf.make_ndarray(response.outputs["png_bytes"])
        inputs = dict(zip(("image", "content", "style"), [images[0], *images], strict=True))
        request = request_of("loss_and_gradient", inputs, name="tf_style")
        losses = stub.Predict(request, timeout=300).outputs
    result = tf_style.stylize(*pictures.values(), config=config)
    found = tf.io.decode_png(png).numpy().astype(int)
    assert np.abs(found - result.pixels).max() <= 1
    extractor = make_extractor(mini_layers, config.network, layers=config.loss.layers)
    objective = tf_style.Objective(extractor, config.loss)
    terms, gradient = objective.terms_and_gradient(
        tf.constant(images[0]), objective.targets(*images)
    )
    expected = named_terms(terms)
    assert losses.keys() == {*expected, "gradient"}
    # Compared as a whole: small values are differences of large ones.
    apart = tf.make_ndarray(losses["gradient"]) - gradient
    assert np.linalg.norm(apart) <= 1e-6 * np.linalg.norm(gradient)
    for name, value in expected.items():
        np.testing.assert_allclose(tf.make_ndarray(losses[name]), value, rtol=1e-4, atol=1e-6)


def test_one_value_does_not_stand_for_too_many(stub):
    request = request_of("", {"x": np.float32([1.0])})
    request.inputs["x"].Clear()
    request.inputs["x"].dtype = tf.float32.as_datatype_enum
    request.inputs["x"].float_val.append(1.0)
    request.inputs["x"].tensor_shape.dim.add(size=10**12)
    with pytest.raises(grpc.RpcError, match="at most 100000 values"):
        stub.Predict(request, timeout=30)


def test_a_call_that_is_canceled_ends_its_run(stub):
    endless = stub.Predict.future(request_of("spin", {"steps": np.int32([2**31 - 1])}))
    time.sleep(0.5)
    assert not endless.done()
    endless.cancel()
    began = time.monotonic()
    assert stub.Predict(request_of("", {"x": np.float32([1.0])}), timeout=30).outputs
    assert time.monotonic() - began < 5.0


def test_a_run_that_does_not_end_is_answered_at_the_time_limit(tmp_path, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(SavedModel, "run", lambda *_, **__: go_on.wait(20) and {})
    toy_models.save(tmp_path / "1")
    with serving(tmp_path, "toy", timeout_s=0.2) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        began = time.monotonic()
        with pytest.raises(grpc.RpcError, match="did not finish within 0.2 s") as caught:
            stub.Predict(request_of("", {"x": np.float32([1.0])}), timeout=10)
        assert time.monotonic() - began < 5.0
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        go_on.set()


def test_a_label_names_a_version(stub):
    request = request_of("", {"x": np.float32([1.0])})
    request.model_spec.version_label = "stable"
    assert stub.Predict(request, timeout=30).model_spec.version.value == 1
    request.model_spec.version_label = "none"
    with pytest.raises(grpc.RpcError, match="Unrecognized servable version label"):
        stub.Predict(request, timeout=30)
