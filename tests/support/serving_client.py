"""A server in this process on a free port, and a client for it; not a test itself."""

import contextlib
import dataclasses
import http.client
import json
import socket

from tf_style.serving.app import make_app
from tf_style.serving.executor import Limits
from tf_style.serving.model import SavedModel
from tf_style.serving.server import Server
from tf_style.serving.service import Service, Settings
from tf_style.serving.store import Store


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]


@dataclasses.dataclass(eq=False)
class Running:
    """A started server with its parts."""

    store: Store
    service: Service
    server: Server
    lines: list

    def connect(self, timeout=30):
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=timeout)

    def socket(self, timeout=30):
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=timeout)

    def send(self, method, path, body=None, headers=None, timeout=30):
        with contextlib.closing(self.connect(timeout)) as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def get(self, path):
        return self.send("GET", path)

    def predict(self, document, *, where="", **named):
        body = json.dumps(document) if isinstance(document, dict) else document
        return self.send("POST", f"/v1/models/toy{where}:predict", body, **named)

    def metric(self, name):
        """Returns the sum of a metric's values over its labels."""
        lines = self.get("/metrics").body.decode().splitlines()
        found = [line for line in lines if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in found)


@contextlib.contextmanager
def serve(folder, *, num_versions=1, labels=None, limits=None, **settings):
    """Gives a Running server for the models in a folder; stops it at the end."""
    said, lines = [], []
    store = Store(folder, load=SavedModel, num_versions=num_versions, notify=said.append)
    store.start()
    values = {
        "timeout_s": 60.0,
        "body_timeout_s": 5.0,
        "max_body_bytes": 4_000_000,
        "max_values": 100_000,
        **settings,
    }
    limits = Limits(**{"workers": 1, "queue": 16, **(limits or {})})
    service = Service({"toy": store}, Settings(labels=labels or {}, limits=limits, **values))
    server = Server(
        make_app(service, on_request=lines.append), host="127.0.0.1", port=0, grace_s=30
    )
    server.start()
    try:
        yield Running(store, service, server, lines)
    finally:
        assert server.stop(timeout_s=40)
        assert service.stop(timeout_s=40)
        store.close()
