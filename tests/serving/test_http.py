"""A server with a small SavedModel, called over HTTP by a real client."""

import base64
import concurrent.futures
import contextlib
import gzip
import http.client
import json
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
import toy_models
from serving_client import serve

from tf_style.serving import server as server_module

DAY = 2**31 - 1  # Steps of `spin`: far more than a test waits for.


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    toy_models.save(folder / "1", offset=3.0)
    return folder


@pytest.fixture(scope="module")
def running(folder):
    batch = {"batch": 8, "batched": ["add", "invert_png"]}
    with serve(folder, labels={"stable": 1, "canary": 9}, limits=batch) as running:
        yield running


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


# --- Examples of TensorFlow Serving's page "RESTful API" ---------------------------------------


def test_the_status_is_that_of_tensorflow_serving(running):
    expected = {
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    for path in ("/v1/models/toy", "/v1/models/toy/versions/1", "/v1/models/toy/labels/stable"):
        answer = running.get(path)
        assert (answer.status, answer.json) == (200, expected)
        assert answer.headers["content-type"] == "application/json"


def test_rows_are_predicted_as_in_the_documentation(running):
    answer = running.predict('{"instances": [1.0,2.0,5.0]}')
    assert (answer.status, answer.json) == (200, {"predictions": [3.5, 4.0, 5.5]})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("where", ["/versions/1", "/labels/stable"])
def test_a_version_may_be_named(running, where):
    answer = running.predict(
        '{"signature_name": "serving_default", "instances": [[1.0, 2.0], [3.0, 4.0]]}', where=where
    )
    assert answer.json == {"predictions": [[3.5, 4.0], [4.5, 5.0]]}


def test_columns_are_answered_as_columns(running):
    assert running.predict('{"inputs": [3.0, 4.0]}').json == {"outputs": [4.5, 5.0]}


def test_an_unknown_model_gives_the_documented_error(running):
    answer = running.send("POST", "/v1/models/half:predict", '{"instances": [1.0,5.0]}')
    assert answer.status == 404
    assert answer.error.startswith("Servable not found for request: Latest(half). ")
    assert "'toy', version 1" in answer.error


def test_named_inputs_may_be_rows_or_columns(running):
    rows = [
        {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
        {"tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]},
    ]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    answer = running.predict({"signature_name": "named", "instances": rows})
    assert answer.json == {
        "predictions": [
            {"tag": "foo", "signal": [2, 4, 6, 8, 10], "sensor": [[1.5, 2.5], [3.5, 4.5]]},
            {"tag": "bar", "signal": [6, 8, 2, 4, 10], "sensor": [[4.5, 5.5], [6.5, 8.5]]},
        ]
    }
    answer = running.predict({"signature_name": "named", "inputs": columns})
    assert answer.json == {
        "outputs": {
            "tag": ["foo", "bar"],
            "signal": [[2, 4, 6, 8, 10], [6, 8, 2, 4, 10]],
            "sensor": [[[1.5, 2.5], [3.5, 4.5]], [[4.5, 5.5], [6.5, 8.5]]],
        }
    }


def test_numbers_that_are_not_finite_go_both_ways(running):
    answer = running.predict('{"instances": [NaN, Infinity, -Infinity]}')
    assert answer.body == b'{"predictions": [NaN, Infinity, -Infinity]}'


def test_the_metadata_is_that_of_tensorflow_serving(running):
    answer = running.get("/v1/models/toy/metadata")
    assert answer.status == 200
    assert answer.json["model_spec"] == {"name": "toy", "signature_name": "", "version": "1"}
    signatures = answer.json["metadata"]["signature_def"]["signature_def"]
    assert {"serving_default", *toy_models.SIGNATURES} <= set(signatures)
    assert signatures["total"]["inputs"] == {
        "x": {
            "dtype": "DT_FLOAT",
            "tensor_shape": {
                "dim": [{"size": "-1", "name": ""}, {"size": "-1", "name": ""}],
                "unknown_rank": False,
            },
            "name": "total_x:0",
        }
    }
    assert signatures["total"]["method_name"] == "tensorflow/serving/predict"
    assert signatures["total"]["defaults"] == {}
    assert signatures["serving_default"]["inputs"]["x"]["tensor_shape"] == {
        "dim": [],
        "unknown_rank": True,
    }


# --- Strings, pictures, defaults --------------------------------------------------------------


def test_pictures_go_in_and_out_in_base64(running, rng):
    pictures = [toy_models.png(rng, height, 5) for height in (3, 9)]
    answer = running.predict(
        {
            "signature_name": "invert_png",
            "instances": [{"content_bytes": b64(d)} for d, _ in pictures],
        }
    )
    assert answer.status == 200
    for row, (_, pixels) in zip(answer.json["predictions"], pictures, strict=True):
        found = tf.io.decode_png(base64.b64decode(row["b64"])).numpy()
        np.testing.assert_array_equal(found, 255 - pixels)


def test_defaults_of_the_signature_are_used(running):
    for rows, expected in (
        ([{"x": 1.0}, {"x": 2.0}], [11.0, 12.0]),
        ([{"x": 1.0, "amount": 0.5}, {"x": 2.0, "amount": 1.5}], [1.5, 3.5]),
    ):
        answer = running.predict({"signature_name": "add", "instances": rows})
        assert answer.json == {"predictions": expected}
    answer = running.predict({"signature_name": "add", "inputs": {"x": [1.0], "amount": [2.0]}})
    assert answer.json == {"outputs": [3.0]}


def test_strings_are_utf8(running):
    answer = running.predict({"signature_name": "shout", "instances": ["grün", ""]})
    assert answer.json == {"predictions": ["GRÜN", ""]}


# --- Refused requests ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signature, inputs, status, words",
    [
        ("add", {"x": ["one"]}, 400, "`inputs.x[0]` must be a number, for float32"),
        ("add", {"x": 1.0}, 400, "Put a single row into a list."),
        ("add", {"y": [1.0]}, 400, "must have the keys 'x' and, optionally, 'amount'"),
        ("ad", {"x": [1.0]}, 400, "Did you mean 'add'?"),
        ("add", {"x": [1.0, 2.0], "amount": [1.0, 2.0, 3.0]}, 400, "ncompatible shapes"),
        ("invert_png", {"content_bytes": [{"b64": "iVBOR"}]}, 400, "be base64"),
        ("invert_png", {"content_bytes": ["no picture"]}, 400, ""),
        ("conjugate", {"z": [1.0]}, 501, "complex64"),
        ("raw", {"strings": ["a"]}, 500, "'_bytes'"),
        ("__saved_model_init_op", {}, 400, "not found in signature def"),
    ],
)
def test_the_response_says_what_is_wrong_with_bad_inputs(running, signature, inputs, status, words):
    answer = running.predict({"signature_name": signature, "inputs": inputs})
    assert answer.status == status, answer.body
    assert words in answer.error
    assert "\n" not in answer.error
    assert "node" not in answer.error


def test_outputs_without_rows_are_given_as_columns_only(running):
    rows = {"signature_name": "total", "instances": [[1.0, 2.0]]}
    assert "Send `inputs` instead" in running.predict(rows).error
    columns = {"signature_name": "total", "inputs": [[1.0, 2.0]]}
    assert running.predict(columns).json == {"outputs": {"sum": 3.0, "rows": 1}}


def test_a_damaged_picture_or_a_bomb_is_the_models_error_400(running, rng):
    data, _ = toy_models.png(rng, 50, 50)
    bomb = tf.io.encode_png(np.zeros((2000, 2000, 3), np.uint8)).numpy()
    assert len(bomb) < 50_000
    for picture, words in ((data[:-100], ""), (bomb, "`content_bytes` must be small.")):
        answer = running.predict(
            {"signature_name": "invert_png", "inputs": {"content_bytes": [b64(picture)]}}
        )
        assert answer.status == 400
        assert words in answer.error


@pytest.mark.parametrize(
    "path, status, words",
    [
        ("/v1/models/toy:classify", 400, "answers predict, not classify"),
        ("/v1/models/toy:regress", 400, "/v1/models/toy:predict"),
        ("/v1/models/toy/versions/7:predict", 404, "Specific(toy, 7)"),
        ("/v1/models/toy/labels/new:predict", 400, "Unrecognized servable version label: new"),
        ("/v1/models/toy/labels/canary:predict", 404, "Specific(toy, 9)"),
        ("/v1/models/toy", 400, "Malformed request: POST /v1/models/toy"),
        ("/predict", 404, "Not found: POST /predict"),
    ],
)
def test_wrong_paths_get_an_error(running, path, status, words):
    answer = running.send("POST", path, '{"instances": [1.0]}')
    assert answer.status == status
    assert words in answer.error


@pytest.mark.parametrize(
    "path, status",
    [
        ("/v1/models/other", 404),
        ("/v1/models/other/metadata", 404),
        ("/v1/models/toy/versions/7", 404),
        ("/v1/models/toy/versions/7/metadata", 404),
        ("/v1/models", 400),
        ("/v1/models/toy:predict", 400),
        ("/", 404),
    ],
)
def test_wrong_paths_of_get_requests_get_an_error(running, path, status):
    answer = running.get(path)
    assert answer.status == status
    assert answer.error


def test_a_large_body_is_refused_by_its_head(running):
    answer = running.predict(b" " * 4_000_001)
    assert answer.status == 413
    assert "at most 4000000 bytes. Received: 4000001 bytes." in answer.error


def test_a_large_body_without_a_length_is_refused_while_it_comes(running):
    chunks = (b" " * 1_000_000 for _ in range(6))
    answer = running.predict(chunks)
    assert answer.status == 413


def test_a_body_in_chunks_is_read(running):
    chunks = iter([b'{"instances": ', b"[1.0, ", b"2.0]}"])
    answer = running.predict(chunks)
    assert answer.json == {"predictions": [3.5, 4.0]}


def test_a_large_array_is_refused(running):
    answer = running.predict({"instances": [0] * 100_001})
    assert answer.status == 413
    assert "--max_values" in answer.error


def test_a_large_answer_is_refused(running):
    answer = running.predict({"signature_name": "grow", "inputs": [100_001]})
    assert answer.status == 400
    assert answer.error.startswith("The answer would have 100001 values")
    assert len(running.predict({"signature_name": "grow", "inputs": [100]}).json["outputs"]) == 100


def test_a_body_in_another_compression_is_refused(running):
    answer = running.predict(b"\x1f\x8b", headers={"Content-Encoding": "br"})
    assert answer.status == 415


def test_a_slow_body_times_out(folder):
    with serve(folder, body_timeout_s=0.3) as running:
        with contextlib.closing(running.connect()) as connection:
            connection.putrequest("POST", "/v1/models/toy:predict")
            connection.putheader("Content-Length", "1000")
            connection.endheaders()
            connection.send(b'{"instances": ')
            began = time.monotonic()
            response = connection.getresponse()
            assert response.status == 408
            assert "within 0.3 s. Received: 14 bytes" in json.loads(response.read())["error"]
            assert time.monotonic() - began < 5
        assert running.metric("tf_style_held_bytes") == 0


def test_bodies_that_are_too_large_together_get_503_with_a_retry_time(folder):
    with serve(folder, max_body_bytes=1000, body_timeout_s=20.0) as running:
        with contextlib.ExitStack() as stack:
            connections = [
                stack.enter_context(contextlib.closing(running.connect())) for _ in "12345"
            ]
            for number, connection in enumerate(connections, 1):
                connection.putrequest("POST", "/v1/models/toy:predict")
                connection.putheader("Content-Length", "1000")
                connection.endheaders()
                connection.send(b" " * 900)
                if number < 5:
                    wait_for(
                        lambda held=900 * number: running.metric("tf_style_held_bytes") == held
                    )
            response = connections[-1].getresponse()  # 4500 bytes are more than four bodies.
            assert response.status == 503
            assert response.headers["retry-after"] == "5"
        wait_for(lambda: running.metric("tf_style_held_bytes") == 0)


def test_a_client_that_asks_first_is_refused_before_it_sends(running):
    with contextlib.closing(running.socket()) as connection:
        connection.sendall(
            b"POST /v1/models/toy:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_client_that_disconnects_in_its_body_frees_the_bytes(running):
    with contextlib.closing(running.socket()) as connection:
        connection.sendall(
            b"POST /v1/models/toy:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
        )
        wait_for(lambda: running.metric("tf_style_held_bytes") == 1)
    wait_for(lambda: running.metric("tf_style_held_bytes") == 0)


def test_a_slow_head_closes_the_connection(running, monkeypatch):
    monkeypatch.setattr(server_module, "_HEAD_TIMEOUT_S", 0.2)
    for start in (b"", b"POST /v1/models/toy:predict HTTP/1.1\r\nHost:"):
        with contextlib.closing(running.socket()) as connection:
            connection.sendall(start)
            assert connection.recv(100) == b""


def test_bytes_that_are_not_http_are_refused(running):
    with contextlib.closing(running.socket()) as connection:
        connection.sendall(b"\x16\x03\x01\x00\xa5\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_other_origins_are_not_let_in(running):
    headers = {"Origin": "http://elsewhere.example"}
    answer = running.predict('{"instances": [1.0]}', headers=headers)
    assert answer.status == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    asked = running.send("OPTIONS", "/v1/models/toy:predict", headers=headers)
    assert asked.status == 400
    assert "server" not in answer.headers


def test_a_connection_serves_many_requests(running):
    with contextlib.closing(running.connect()) as connection:
        for number in range(20):
            body = json.dumps({"instances": [float(number)]} if number % 3 else {"instances": []})
            connection.request("POST", "/v1/models/toy:predict", body)
            response = connection.getresponse()
            assert response.status == (200 if number % 3 else 400)
            response.read()


def test_a_bug_gives_500_and_a_traceback_in_the_log(running, monkeypatch, caplog):
    def fail(*arguments):
        raise KeyError("bug")

    monkeypatch.setattr(running.service, "job", fail)
    answer = running.predict({"instances": [1.0]})
    assert answer.status == 500
    assert answer.error == "The server failed: KeyError. Its log has the traceback."
    wait_for(lambda: "KeyError: 'bug'" in caplog.text)
    assert running.metric("tf_style_held_bytes") == 0


# --- Health and metrics -------------------------------------------------------------------------


def test_health_and_readiness(running):
    assert running.get("/healthz").json == {"status": "ok"}
    assert running.get("/readyz").json == {"status": "ready"}
    assert running.send("HEAD", "/healthz").status == 200


def test_metrics_count_what_happened(running):
    name = "tf_style_requests_total"

    def count():
        text = running.get("/metrics").body.decode()
        line = [line for line in text.splitlines() if 'code="400",kind="predict"' in line]
        return float(line[0].rpartition(" ")[2]) if line else 0.0

    before = count()
    running.predict('{"instances": [null]}')
    wait_for(lambda: count() == before + 1)
    assert running.metric(name) > 0
    assert running.metric("tf_style_model_version") == 1
    assert running.metric("tf_style_queue_length") == 0
    assert running.metric("tf_style_run_seconds_count") > 0
    assert running.metric("process_resident_memory_bytes") > 1e6
    assert running.get("/metrics").headers["content-type"].startswith("text/plain")


def test_the_access_log_has_a_line_for_each_request(running):
    running.get("/v1/models/toy/versions/7")
    wait_for(lambda: any("GET /v1/models/toy/versions/7 404 0." in line for line in running.lines))


# --- Timeouts and load --------------------------------------------------------------------------


def test_a_run_is_ended_at_its_timeout_and_the_next_one_follows(folder):
    with serve(folder, timeout_s=0.5) as running:
        began = time.monotonic()
        answer = running.predict({"signature_name": "spin", "inputs": [DAY]})
        assert answer.status == 504
        assert "--timeout_s" in answer.error
        assert time.monotonic() - began < 5
        # The worker is free again: TensorFlow has left the loop.
        assert running.predict({"instances": [1.0]}).json == {"predictions": [3.5]}
        wait_for(lambda: running.metric("tf_style_running") == 0)


def test_a_full_queue_gives_503_with_a_retry_time(folder):
    limits = {"workers": 1, "queue": 1}
    with serve(folder, timeout_s=3.0, limits=limits) as running:
        busy = [threading.Thread(target=spin, args=(running,)) for _ in range(2)]
        for thread, attribute in zip(busy, ("num_running", "num_waiting"), strict=True):
            thread.start()
            wait_for(lambda name=attribute: getattr(running.service._executor, name) == 1)
        answer = running.predict({"instances": [1.0]})
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "queue is full" in answer.error
        assert running.get("/healthz").status == 200  # Nothing else is blocked.
        assert running.metric("tf_style_queue_length") == 1
        for thread in busy:
            thread.join()
        assert running.predict({"instances": [1.0]}).status == 200


def spin(running, steps=DAY):
    with contextlib.suppress(OSError, http.client.HTTPException):
        return running.predict({"signature_name": "spin", "inputs": [steps]})


def test_a_client_that_disconnects_frees_its_place(folder):
    with serve(folder, timeout_s=2.0, limits={"workers": 1, "queue": 1}) as running:
        busy = threading.Thread(target=spin, args=(running,))
        busy.start()
        wait_for(lambda: running.service._executor.num_running == 1)
        with contextlib.closing(running.connect()) as connection:
            connection.request("POST", "/v1/models/toy:predict", '{"instances": [1.0]}')
            wait_for(lambda: running.service._executor.num_waiting == 1)
        wait_for(lambda: any(" 499 " in line for line in running.lines))
        assert running.service._executor.num_waiting == 0
        busy.join()


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_each_of_many_clients_gets_its_own_answer(running, rng):
    pictures = [toy_models.png(rng, int(height), 6) for height in rng.integers(1, 20, 40)]

    def ask(number):
        if number % 2:
            data, pixels = pictures[number]
            document = {"signature_name": "invert_png", "instances": [{"content_bytes": b64(data)}]}
            (row,) = running.predict(document).json["predictions"]
            found = tf.io.decode_png(base64.b64decode(row["b64"])).numpy()
            return np.array_equal(found, 255 - pixels)
        document = {"signature_name": "add", "instances": [{"x": number, "amount": 0.25}]}
        return running.predict(document).json == {"predictions": [number + 0.25]}

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(40)))


# --- New versions -------------------------------------------------------------------------------


def test_a_new_version_is_loaded_while_the_old_one_answers(tmp_path):
    toy_models.save(tmp_path / "1", offset=1.0)
    toy_models.save(tmp_path / "2.partial", offset=2.0)
    with serve(tmp_path, timeout_s=3.0) as running:
        late = concurrent.futures.ThreadPoolExecutor(1).submit(spin, running)
        wait_for(lambda: running.service._executor.num_running == 1)
        (tmp_path / "2.partial").rename(tmp_path / "2")
        running.store.poll()
        running.store.poll()
        states = {s["version"]: s["state"] for s in status(running)}
        assert states == {"2": "AVAILABLE", "1": "UNLOADING"}
        assert late.result().status == 504  # It ran to its own end on version 1.
        assert running.predict({"instances": [0.0]}).json == {"predictions": [2.0]}
        wait_for(lambda: {s["version"]: s["state"] for s in status(running)}["1"] == "END")
        assert running.predict({"instances": [0.0]}, where="/versions/1").status == 404
        assert running.metric("tf_style_model_version") == 2


def test_no_request_is_lost_while_versions_change(tmp_path):
    toy_models.save(tmp_path / "1", offset=1.0)
    done = threading.Event()
    answers = []

    def ask(running):
        with contextlib.closing(running.connect()) as connection:
            while not done.is_set():
                connection.request("POST", "/v1/models/toy:predict", '{"instances": [0.0]}')
                response = connection.getresponse()
                answers.append((response.status, response.read()))

    with serve(tmp_path) as running:
        threads = [threading.Thread(target=ask, args=(running,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for version in (2, 3, 4):
            toy_models.save(tmp_path / str(version), offset=float(version))
            running.store.poll()
            running.store.poll()
            reached = len(answers) + 10
            wait_for(lambda reached=reached: len(answers) > reached)
        done.set()
        for thread in threads:
            thread.join()
        assert {status for status, _ in answers} == {200}
        given = {json.loads(body)["predictions"][0] for _, body in answers}
        assert given == {1.0, 2.0, 3.0, 4.0}
        assert [s["state"] for s in status(running)] == ["AVAILABLE", "END", "END", "END"]


def status(running):
    return running.get("/v1/models/toy").json["model_version_status"]


def test_a_broken_version_is_reported_and_the_old_one_stays(tmp_path):
    toy_models.save(tmp_path / "1", offset=1.0)
    with serve(tmp_path) as running:
        (tmp_path / "2").mkdir()
        (tmp_path / "2" / "saved_model.pb").write_bytes(b"no graph")
        running.store.poll()
        running.store.poll()
        newest, old = status(running)
        assert (newest["version"], newest["state"]) == ("2", "END")
        assert newest["status"]["error_code"] == "UNKNOWN"
        assert newest["status"]["error_message"].startswith("Version 2 cannot be loaded: ")
        assert (old["version"], old["state"]) == ("1", "AVAILABLE")
        assert running.predict({"instances": [0.0]}).json == {"predictions": [1.0]}
        assert running.metric("tf_style_load_failures") == 1


def test_a_stop_answers_running_requests_and_refuses_new_ones(folder):
    with serve(folder) as running:
        with contextlib.closing(running.connect()) as kept:
            kept.request("GET", "/healthz")
            kept.getresponse().read()
            asked = concurrent.futures.ThreadPoolExecutor(1).submit(spin, running, 100_000)
            wait_for(lambda: running.service._executor.num_running == 1)
            running.service.is_stopping = True
            assert running.get("/readyz").status == 503
            kept.request("POST", "/v1/models/toy:predict", '{"instances": [1.0]}')
            refused = kept.getresponse()
            assert refused.status == 503
            assert "stopping" in json.loads(refused.read())["error"]
        assert running.server.stop(timeout_s=30)
        assert asked.result().status == 200
        with pytest.raises(ConnectionRefusedError):
            running.get("/healthz")


def test_a_client_that_leaves_ends_its_run(folder):
    with serve(folder) as running:
        body = json.dumps({"signature_name": "spin", "inputs": [DAY]})
        connection = running.connect()
        connection.request("POST", "/v1/models/toy:predict", body)
        wait_for(lambda: running.metric("tf_style_running") == 1)
        connection.close()
        began = time.monotonic()
        assert running.predict('{"instances": [1.0]}').status == 200
        assert time.monotonic() - began < 5.0
        wait_for(lambda: running.metric("tf_style_running") == 0)


def test_rows_that_cannot_be_answered_are_refused_before_the_run(running):
    before = running.metric("tf_style_run_seconds_count")
    answer = running.predict({"signature_name": "total", "instances": [[1.0, 2.0]]})
    assert answer.status == 400
    assert "(rows [], sum []), so they cannot be sent as rows" in answer.error
    assert running.metric("tf_style_run_seconds_count") == before


def test_bodies_may_be_compressed_both_ways(running):
    text = json.dumps({"instances": list(range(2000))})
    headers = {"Content-Encoding": "gzip", "Accept-Encoding": "br, gzip;q=0.5"}
    answer = running.predict(gzip.compress(text.encode()), headers=headers)
    assert answer.status == 200
    assert answer.headers["content-encoding"] == "gzip"
    expected = [value / 2 + 3 for value in range(2000)]
    assert json.loads(gzip.decompress(answer.body)) == {"predictions": expected}
    for accepted in ("gzip;q=0", "identity", "gzip; q=0.0"):
        answer = running.predict(text, headers={"Accept-Encoding": accepted})
        assert answer.json == {"predictions": expected}


@pytest.mark.parametrize(
    "body, status, words",
    [
        (gzip.compress(b" " * 4_000_001), 413, "at most 4000000 bytes"),
        (gzip.compress(b" " * 10**9, 9), 413, "at most 4000000 bytes"),
        (gzip.compress(b'{"instances": [1.0]}')[:-4], 400, "ends early"),
        (gzip.compress(b'{"instances": [1.0]}') + b"x", 400, "bytes after its end"),
        (b"no gzip", 400, "one gzip stream"),
        (b"", 400, "ends early"),
    ],
    ids=["large", "bomb", "cut off", "longer", "other", "empty"],
)
def test_compressed_bodies_are_read_within_limits(running, body, status, words):
    answer = running.predict(body, headers={"Content-Encoding": "gzip"})
    assert answer.status == status
    assert words in answer.error


def test_metrics_are_at_the_path_of_tensorflow_serving_too(running):
    found = running.get("/monitoring/prometheus/metrics")
    assert found.status == 200
    assert b"tf_style_requests_total" in found.body


def test_only_pages_of_named_origins_may_call(folder, running):
    origin = {"Origin": "https://example.org"}
    body = '{"instances": [1.0]}'
    assert "access-control-allow-origin" not in running.predict(body, headers=origin).headers
    with serve(folder, cors_origins=["https://example.org"]) as other:
        ask = {**origin, "Access-Control-Request-Method": "POST"}
        asked = other.send("OPTIONS", "/v1/models/toy:predict", headers=ask)
        assert asked.status == 200
        allowed = [asked, other.predict(body, headers=origin)]
        found = [answer.headers.get("access-control-allow-origin") for answer in allowed]
        assert found == ["https://example.org"] * 2
        foreign = other.predict(body, headers={"Origin": "https://else.org"})
        assert "access-control-allow-origin" not in foreign.headers
