"""The server's Prometheus metrics. Takes counts and seconds, gives Prometheus's text format."""

from collections.abc import Callable, Mapping

import prometheus_client

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self._registry)
        self._requests = prometheus_client.Counter(
            "tf_style_requests",
            "Requests by kind of call and HTTP status.",
            ["kind", "code"],
            registry=self._registry,
        )
        self._request_seconds = prometheus_client.Histogram(
            "tf_style_request_seconds",
            "Seconds from a request's head to the end of its response.",
            ["kind"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._run_seconds = prometheus_client.Histogram(
            "tf_style_run_seconds",
            "Duration of model runs in seconds.",
            ["signature"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batch_rows = prometheus_client.Histogram(
            "tf_style_batch_rows",
            "Rows per model run.",
            ["signature"],
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self._registry,
        )

    def gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Adds a gauge; `value` is called whenever the metrics are read."""
        gauge = prometheus_client.Gauge(name, help_text, registry=self._registry)
        gauge.set_function(value)

    def gauges(self, name: str, help_text: str, values: Mapping[str, Callable[[], float]]) -> None:
        """Adds a gauge with a value for each model, which are called as in `gauge`."""
        gauge = prometheus_client.Gauge(name, help_text, ["model"], registry=self._registry)
        for model, value in values.items():
            gauge.labels(model).set_function(value)

    def request(self, kind: str, code: int, seconds: float) -> None:
        """Records a request."""
        self._requests.labels(kind, str(code)).inc()
        self._request_seconds.labels(kind).observe(seconds)

    def run(self, signature: str, rows: int, seconds: float) -> None:
        """Records a run of the model."""
        self._run_seconds.labels(signature).observe(seconds)
        self._batch_rows.labels(signature).observe(rows)

    def text(self) -> bytes:
        """Returns all metrics in Prometheus's text format."""
        return prometheus_client.generate_latest(self._registry)
