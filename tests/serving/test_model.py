"""Reading and running a SavedModel's signatures, and the messages of TensorFlow's errors."""

import threading
import time
import weakref

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
import toy_models

from tf_style.serving.errors import RequestError
from tf_style.serving.model import SavedModel
from tf_style.serving.stop import Stop


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "1"
    toy_models.save(folder)
    model = SavedModel(folder)
    yield model
    model.close()


def run(model, name, timeout_s=30, **inputs):
    signature = model.signatures[name]
    return model.run(signature, {**signature.defaults, **inputs}, timeout_s=timeout_s)


def test_signatures_are_read_with_types_shapes_and_defaults(model):
    assert set(model.signatures) == {"serving_default", *toy_models.SIGNATURES}
    named = model.signatures["named"]
    assert {name: (info.dtype_name, info.shape) for name, info in named.inputs.items()} == {
        "tag": ("string", (None,)),
        "signal": ("int32", (None, 5)),
        "sensor": ("float64", (None, 2, 2)),
    }
    assert model.signatures["serving_default"].inputs["x"].shape is None
    picture = model.signatures["invert_png"]
    assert picture.required == ["content_bytes"]
    assert picture.defaults["times"].dtype == np.int32
    assert picture.defaults["times"].tolist() == [1]


def test_a_signature_is_batched_if_all_its_first_dimensions_are_open(model):
    batched = {name for name, signature in model.signatures.items() if signature.is_batched}
    assert batched == {"named", "add", "invert_png", "spin", "shout", "quote", "raw", "conjugate"}


def test_the_results_are_those_of_tensorflows_own_loader(model, tmp_path, rng):
    toy_models.save(tmp_path / "1")
    other = tf.saved_model.load(str(tmp_path / "1"))
    x = rng.normal(size=(3, 4)).astype(np.float32)
    expected = other.signatures["serving_default"](x=tf.constant(x))["y"].numpy()
    np.testing.assert_array_equal(run(model, "serving_default", x=x)["y"], expected)


def test_outputs_have_the_signatures_types(model):
    found = run(model, "third", x=np.array([1.0], ml_dtypes.bfloat16))
    assert found["y"].dtype == ml_dtypes.bfloat16
    assert float(found["y"][0]) == 0.333984375  # 1/3 in eight binary digits.
    assert found["name_bytes"].dtype == object
    assert found["name_bytes"].item() == b"\x00\xff"


def test_a_loop_is_ended_at_its_timeout(model):
    began = time.monotonic()
    with pytest.raises(RequestError) as caught:
        run(model, "spin", timeout_s=0.2, steps=np.int32([2**31 - 1]))
    assert caught.value.status == 504
    assert time.monotonic() - began < 5


def test_a_models_own_check_keeps_its_message(model):
    bomb = tf.io.encode_png(np.zeros((1100, 1000, 3), np.uint8)).numpy()
    with pytest.raises(RequestError, match="`content_bytes` must be small.") as caught:
        run(model, "invert_png", content_bytes=np.array([bomb], object))
    assert caught.value.status == 400
    assert "\n" not in caught.value.message


def test_a_models_own_check_may_quote_bytes(model):
    with pytest.raises(RequestError, match=r"`strings` must be empty. \\xff\\xfe") as caught:
        run(model, "quote", strings=np.array([b"\xff\xfe\x80"], object))
    assert caught.value.status == 400


def test_the_metadata_has_the_fields_of_tensorflow_serving(model):
    found = model.metadata()["third"]
    assert set(found) == {"inputs", "outputs", "method_name", "defaults"}
    assert found["inputs"]["x"] == {
        "dtype": "DT_BFLOAT16",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        "name": "third_x:0",
    }


def test_a_folder_without_a_saved_model_cannot_be_loaded(tmp_path):
    with pytest.raises(OSError, match="SavedModel"):
        SavedModel(tmp_path)


def test_a_stop_ends_a_run_in_the_middle_of_a_loop_and_no_other_run(model):
    stop, found = Stop(), {}

    def spin(name, steps, stop):
        try:
            signature = model.signatures["spin"]
            steps = np.array([steps], np.int32)
            found[name] = model.run(signature, {"steps": steps}, timeout_s=60, stop=stop)
        except RequestError as error:
            found[name] = error.status

    threads = [
        threading.Thread(target=spin, args=("stopped", 2**31 - 1, stop)),
        threading.Thread(target=spin, args=("other", 20_000, Stop())),
    ]
    for thread in threads:
        thread.start()
    stop.set()
    for thread in threads:
        thread.join(30)
    assert found["stopped"] == 499
    assert found["other"]["state"].shape == (1,)


def test_signatures_with_the_same_body_share_one_function(tmp_path):
    toy = toy_models.Toy(1.0)
    functions = {"one": toy.add, "same": toy.add, "other": toy.spin}
    tf.saved_model.save(toy, str(tmp_path / "1"), functions)
    model = SavedModel(tmp_path / "1")
    assert model._functions["one"] is model._functions["same"]
    x = np.float32([1.0])
    assert run(model, "same", x=x)["y"] == run(model, "one", x=x)["y"] == 11.0
    model.close()


class Capitals(tf.Module):
    """Functions of the same body with other names, which TensorFlow writes in small letters."""

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.float32, name) for name in ("B_second", "A_x")]
    )
    def minus(self, second, first):
        return {"Y_z": first - 2 * second, "X": second}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.float32, name) for name in ("b_second", "a_x")]
    )
    def small(self, second, first):
        return {"y_z": first - 2 * second, "x": second}


def test_inputs_keep_their_names_in_capitals(tmp_path):
    module = Capitals()
    signatures = {"capitals": module.minus, "small": module.small}
    tf.saved_model.save(module, str(tmp_path / "1"), signatures)
    model = SavedModel(tmp_path / "1")
    one, ten = np.float32([1.0]), np.float32([10.0])
    assert run(model, "capitals", A_x=ten, B_second=one) == {"Y_z": 8.0, "X": 1.0}
    assert run(model, "small", a_x=ten, b_second=one) == {"y_z": 8.0, "x": 1.0}
    model.close()


def test_inputs_of_tensorflow_1_have_other_names_than_their_tensors(tmp_path):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        first = v1.placeholder(tf.float32, [None], "Z_placeholder")
        second = v1.placeholder(tf.float32, [None], "first")
        weight = v1.get_variable("weight", initializer=np.float32(2.0), use_resource=True)
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(tmp_path / "1"))
        info = v1.saved_model.build_tensor_info
        definition = v1.saved_model.build_signature_def(
            {"first": info(first), "Second": info(second)},
            {"out": info(first - weight * second)},
            "tensorflow/serving/predict",
        )
        builder.add_meta_graph_and_variables(
            session, [tf.saved_model.SERVING], {"serving_default": definition}
        )
        builder.save()
    model = SavedModel(tmp_path / "1")
    inputs = {"first": np.float32([10.0]), "Second": np.float32([1.0])}
    assert run(model, "serving_default", **inputs) == {"out": 8.0}
    model.close()


class Smooth(tf.Module):
    """A function with a gradient of its own, which TensorFlow registers when it is loaded."""

    def __init__(self):
        super().__init__()
        self.weight = tf.Variable([2.0])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def times(self, x):
        weight = tf.identity(self.weight)

        @tf.custom_gradient
        def function(x):
            return x * weight, lambda upstream: upstream

        return {"y": function(x)}


def test_a_closed_model_frees_its_variables(tmp_path):
    smooth = Smooth()
    tf.saved_model.save(smooth, str(tmp_path / "1"), {"times": smooth.times})
    model = SavedModel(tmp_path / "1")
    assert run(model, "times", x=np.float32([3.0]))["y"] == 6.0
    handles = [weakref.ref(each) for each in model._functions["times"].captured_inputs]
    assert handles
    model.close()
    assert [handle() for handle in handles] == [None] * len(handles)
