"""An exported style network behind the server: the same pictures as Keras, in batches."""

import base64
import concurrent.futures
import io
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from serving_client import serve
from tiny_style_network import make_tiny_network

from tf_style.export.warm_up import read_requests
from tf_style.feedforward import load
from tf_style.portable.network import export_network
from tf_style.serving.model import SavedModel
from tf_style.serving.warm_up import warm_up

# 2026-11: keras 3.15 on numpy 2.4.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NETWORK = make_tiny_network("calm", "wild")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    export_network(folder / "1", network=NETWORK, style="wild", max_pixels=20_000)
    return folder


@pytest.fixture(scope="module")
def running(folder):
    with serve(folder, limits={"batch": 4, "batched": ["paint", "paint_png"]}) as running:
        yield running


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (3, 30, 41, 3), np.uint8)


def keras_picture(pixels, style):
    """The Keras model's pictures as pixels."""
    picture = load(NETWORK, style=style)(pixels / np.float32(255.0))
    return np.rint(255.0 * picture)


def test_a_request_gives_the_picture_of_keras(running, pixels):
    content = (pixels / np.float32(255.0)).tolist()
    answer = running.predict({"signature_name": "paint", "inputs": {"content": content}})
    assert answer.status == 200, answer.body
    expected = load(NETWORK, style="wild")(pixels / np.float32(255.0))
    np.testing.assert_allclose(answer.json["outputs"], expected, atol=2e-5)


def test_files_of_several_sizes_and_styles_are_one_request(running, pixels):
    cut = [pixels[0], pixels[1, :30, :33]]
    alpha = np.dstack([pixels[2], pixels[0, ..., 0]])
    files = [tf.io.encode_png(each).numpy() for each in (*cut, alpha)]
    rows = [
        {"content_bytes": {"b64": base64.b64encode(file).decode()}, "style": style}
        for file, style in zip(files, ["calm", "wild", "calm"], strict=True)
    ]
    answer = running.predict({"instances": rows})
    assert answer.status == 200, answer.body
    found = [base64.b64decode(each["b64"]) for each in answer.json["predictions"]]
    found = [np.asarray(Image.open(io.BytesIO(file))) for file in found]
    for picture, own, style in zip(found[:2], cut, ["calm", "wild"], strict=True):
        assert np.abs(picture - keras_picture(own[np.newaxis], style)[0]).max() <= 1
    assert np.abs(found[2][..., :3] - keras_picture(pixels[2:], "calm")[0]).max() <= 1
    np.testing.assert_array_equal(found[2][..., 3], alpha[..., 3])


def test_requests_that_wait_together_are_one_batch(running, pixels, monkeypatch):
    """The first request holds the only worker until two others wait."""
    began, held, rows = threading.Event(), threading.Event(), []
    run = SavedModel.run

    def slow(self, signature, inputs, **options):
        rows.append(len(inputs["content"]))
        began.set()
        assert held.wait(20)
        return run(self, signature, inputs, **options)

    monkeypatch.setattr(SavedModel, "run", slow)
    contents = pixels / np.float32(255.0)
    styles = ["calm", "wild", "calm"]

    def ask(row):
        inputs = {"content": contents[row : row + 1].tolist(), "style": [styles[row]]}
        return running.predict({"signature_name": "paint", "inputs": inputs})

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(ask, 0)]
        assert began.wait(20)
        answers += [pool.submit(ask, row) for row in (1, 2)]
        end = time.monotonic() + 10
        while running.metric("tf_style_queue_length") < 2 and time.monotonic() < end:
            time.sleep(0.02)
        held.set()
        answers = [answer.result() for answer in answers]
    assert rows == [1, 2]
    for row, answer in enumerate(answers):
        expected = load(NETWORK, style=styles[row])(contents[row : row + 1])
        np.testing.assert_allclose(answer.json["outputs"], expected, atol=2e-5)


@pytest.mark.parametrize(
    "inputs, message",
    [
        ({"style": ["loud"]}, "`style` must be one of calm, wild. Received: another name"),
        ({"style": ["calm", "wild"]}, "`style` must have one value, or one for each content"),
        ({"content": np.zeros((1, 27, 30, 3)).tolist()}, "sides of at least 28 px"),
        ({"content": np.zeros((1, 28, 715, 3)).tolist()}, "at most 20000 pixels"),
        ({"content": np.full((1, 28, 28, 3), 255.0).tolist()}, "Divide by 255"),
    ],
)
def test_wrong_requests_are_told(running, inputs, message):
    given = {"content": np.zeros((1, 30, 30, 3)).tolist(), **inputs}
    answer = running.predict({"signature_name": "paint", "inputs": given})
    assert answer.status == 400
    assert message in answer.error


def test_its_warm_up_requests_run(folder):
    model = SavedModel(folder / "1")
    said = []
    warm_up(model, timeout_s=60, notify=said.append)
    model.close()
    assert said == []
    named = {name for name, _ in read_requests(folder / "1")}
    assert named == {"paint", "paint_png", "serving_default"} == set(model.signatures)
    assert all(signature.is_batched for signature in model.signatures.values())
