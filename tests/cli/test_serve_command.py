"""`tf_style serve`: its flags, and a process that starts, answers requests and stops."""

import concurrent.futures
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from tf_style.cli import serve_command
from tf_style.cli.serve_command import ServeOptions


def test_help_names_every_flag_and_imports_no_tensorflow():
    code = (
        "import sys; from tf_style.cli.serve_command import command; command(['--help']);"
        "assert not {'tensorflow', 'starlette', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for field in ServeOptions.__dataclass_fields__:
        assert f"--{field}" in done.stdout


@pytest.mark.parametrize(
    "options, words",
    [
        ({"port": 70000}, "`port` must lie within 0..65535. Received: port=70000"),
        ({"port": "x"}, "`port` must be of type int"),
        ({"timeout_s": 0.0}, "`timeout_s` must lie within"),
        ({"max_queue": -1}, "`max_queue` must be at least 0"),
        ({"num_workers": 0}, "`num_workers` must be at least 1"),
        ({"name": "a/b"}, "`name` must not be empty or contain '/' or ':'"),
        ({"labels": "stable"}, "`labels` must be of the form 'label:version'"),
        ({"labels": "stable:x"}, "`labels` must be of the form"),
        ({"labels": "stable:" + "9" * 5000}, "`labels` must be of the form"),
        ({"model_dir": ("a=b",), "labels": "c/stable:1"}, "models that are served (a). Received"),
        ({"cors_origins": "*, https://a.org/"}, "`cors_origins` must be origins, without a slash"),
    ],
)
def test_invalid_options_are_refused(options, words):
    with pytest.raises((ValueError, TypeError), match=re.escape(words)):
        ServeOptions(**options)


def test_options_become_the_settings_of_the_service():
    options = ServeOptions(
        labels="stable:1, canary:2", max_body_mb=0.5, batch_signatures="a, b", max_queue=3
    )
    settings = serve_command.settings_of(options)
    assert settings.labels == {"stable": 1, "canary": 2}
    assert settings.max_body_bytes == 2**19
    assert settings.limits.batched == ["a", "b"]
    assert settings.limits.queue == 3


def test_the_folder_must_be_given_and_exist(tmp_path):
    with pytest.raises(ValueError, match="`model_dir` must be given"):
        serve_command.command([])
    with pytest.raises(FileNotFoundError, match="`model_dir` must be an existing folder"):
        serve_command.command([f"--model_dir={tmp_path / 'none'}"])
    with pytest.raises(ValueError, match="must hold a SavedModel"):
        serve_command.command([f"--model_dir={tmp_path}"])


def test_the_error_for_a_missing_package_names_the_pip_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r"pip install 'tf-style\[serve\]'"):
        serve_command.command([f"--model_dir={tmp_path}"])


def test_batched_signatures_are_checked_before_a_model_is_loaded(tmp_path, monkeypatch):
    import toy_models

    from tf_style.serving import model

    monkeypatch.setattr(model, "SavedModel", lambda folder: pytest.fail("It was loaded."))
    toy_models.save(tmp_path / "1")
    for name, words in (("ad", "Did you mean 'add'?"), ("total", "open first dimension")):
        with pytest.raises(ValueError, match=re.escape(words)):
            serve_command.command([f"--model_dir={tmp_path}", f"--batch_signatures=add,{name}"])


def test_grpc_answers_and_signatures_are_prepared_without_hurry_while_models_load(
    tmp_path, monkeypatch
):
    import grpc
    import toy_models
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    from tf_style.serving import warm_up

    toy_models.save(tmp_path / "1")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    seen = []

    def ask(model, *, timeout_s, notify):
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "tf_style"
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            try:
                stub.Predict(request, timeout=10)
            except grpc.RpcError as error:
                seen.extend([error.code(), timeout_s])
        raise ValueError("seen")  # Ends the command.

    monkeypatch.setattr(warm_up, "warm_up", ask)
    flags = [f"--model_dir={tmp_path}", "--port=0", f"--grpc_port={port}", "--timeout_s=5"]
    with pytest.raises(ValueError, match=r"must hold|seen|load"):
        serve_command.command(flags)
    assert seen == [grpc.StatusCode.NOT_FOUND, 300.0]


def test_an_address_in_use_is_refused(tmp_path):
    import toy_models

    toy_models.save(tmp_path / "1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="must be an address that is free"):
            serve_command.command([f"--model_dir={tmp_path}", f"--port={port}"])


START = "import sys; from tf_style.cli.main import main; sys.exit(main(['serve', *sys.argv[1:]]))"


@pytest.fixture
def process(tmp_path):
    """Starts the command with a toy model; yields the process and its port."""
    import toy_models

    toy_models.save(tmp_path / "1", offset=1.0)
    flags = [f"--model_dir={tmp_path}", "--port=0", "--access_log", "--poll_s=0.1"]
    process = subprocess.Popen(
        [sys.executable, "-c", START, *flags], stdout=subprocess.PIPE, text=True
    )
    try:
        line = ""
        while not line.startswith("Serving"):
            line = process.stdout.readline()
            assert line, "the server ended"
        assert line.startswith("Serving version 1 at http://127.0.0.1:")
        yield process, int(re.search(r":(\d+)/v1/models/tf_style$", line.strip())[1])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_until_running(port):
    """Waits until the model is running."""
    end = time.monotonic() + 30
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        if "\ntf_style_running 1.0\n" in text:
            return
        assert time.monotonic() < end
        time.sleep(0.02)


def ask(port, method, path, document=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, json.dumps(document) if document else None)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_the_command_serves_loads_a_new_version_and_stops_on_a_signal(process, tmp_path):
    import toy_models

    process, port = process
    predict = "/v1/models/tf_style:predict"
    assert ask(port, "POST", predict, {"instances": [2.0]}) == (200, {"predictions": [2.0]})
    toy_models.save(tmp_path / "2.partial", offset=5.0)
    (tmp_path / "2.partial").rename(tmp_path / "2")
    end = time.monotonic() + 60
    while ask(port, "POST", predict, {"instances": [2.0]})[1] != {"predictions": [6.0]}:
        assert time.monotonic() < end
        time.sleep(0.1)
    long_one = {"signature_name": "spin", "inputs": [200_000]}
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, port, "POST", predict, long_one)
        wait_until_running(port)
        process.send_signal(signal.SIGTERM)
        assert asked.result()[0] == 200  # The running request was finished.
    assert process.wait(30) == 0
    said = process.stdout.read()
    assert "Version 2 is loaded.\n" in said
    assert "POST /v1/models/tf_style:predict 200 " in said
    assert said.endswith("Version 2 is released.\nStopped.\n")


def test_a_second_signal_stops_at_once(process):
    process, port = process
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        document = {"signature_name": "spin", "inputs": [2**31 - 1]}
        asked = pool.submit(ask, port, "POST", "/v1/models/tf_style:predict", document)
        wait_until_running(port)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert isinstance(asked.exception(), (OSError, http.client.HTTPException))


def test_models_have_names_of_their_own(tmp_path):
    import toy_models

    toy_models.save(tmp_path / "a" / "1", offset=1.0)
    toy_models.save(tmp_path / "b" / "1", offset=2.0)
    flags = [f"--model_dir=one={tmp_path / 'a'}", f"--model_dir=two={tmp_path / 'b'}", "--port=0"]
    process = subprocess.Popen(
        [sys.executable, "-c", START, *flags, "--labels=two/stable:1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines = iter(process.stdout.readline, "")
        assert {next(lines), next(lines)} == {
            "one: Version 1 is loaded.\n",
            "two: Version 1 is loaded.\n",
        }
        line = next(line for line in lines if line.endswith("/v1/models/two\n"))
        port = int(re.search(r":(\d+)/", line)[1])
        for path, expected in (("one", 2.0), ("two", 3.0), ("two/labels/stable", 3.0)):
            found = ask(port, "POST", f"/v1/models/{path}:predict", {"instances": [2.0]})
            assert found == (200, {"predictions": [expected]})
        assert ask(port, "GET", "/v1/models/one/labels/stable")[0] == 400
        status, answer = ask(port, "GET", "/v1/models/three")
        assert status == 404
        assert "'one', version 1; 'two', version 1." in answer["error"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_two_models_of_one_name_are_refused():
    with pytest.raises(ValueError, match="`model_dir` must give each model its own name"):
        ServeOptions(model_dir=("a", "tf_style=b"))
