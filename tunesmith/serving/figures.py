"""Numbers for Prometheus: what was asked, how it ended, and how long it took."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunesmith.serving.worker import Worker

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds
COUNTED = {
    "accepted": "Answers that were begun or wait.",
    "ended": "Answers that ended as they should.",
    "cancelled": "Answers that nobody wanted any more.",
    "failed": "Answers that ended with a fault of the worker.",
    "restarts": "Faults after which the worker began anew.",
    "full": "Times that memory was not enough for the answers under way.",
    "evicted": "Rows that had to leave for want of room, and went on later.",
    "prompt_tokens": "Tokens of accepted prompts.",
    "said_tokens": "Tokens of answers.",
}


class Figures:
    """The metrics of one server, in a registry of its own."""

    def __init__(self, worker: Worker) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tunesmith_requests", "Requests, by path and HTTP status.", ["path", "status"], registry=self.registry
        )
        self.errors = Counter("tunesmith_errors", "Requests that were refused or failed.", ["path"], registry=self.registry)
        self.seconds = Histogram(
            "tunesmith_request_seconds",
            "From a request to its whole answer.",
            ["path"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.first = Histogram(
            "tunesmith_first_token_seconds",
            "From a streamed request to its first token.",
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.token = Histogram(
            "tunesmith_token_seconds", "Between two tokens of a streamed answer.", buckets=BUCKETS, registry=self.registry
        )
        self.registry.register(_OfWorker(worker))

    def request(self, path: str, status: int, seconds: float) -> None:
        self.requests.labels(path, str(status)).inc()
        self.seconds.labels(path).observe(seconds)
        if status >= 400:
            self.errors.labels(path).inc()

    def page(self) -> bytes:
        return generate_latest(self.registry)


class _OfWorker(Collector):
    """What the worker counts itself, looked at when it is asked for."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def collect(self) -> Iterator[Metric]:
        worker = self.worker
        for name, told in COUNTED.items():
            yield CounterMetricFamily(f"tunesmith_{name}", told, value=getattr(worker.counts, name))
        yield GaugeMetricFamily("tunesmith_under_way", "Rows under way.", value=worker.under_way)
        yield GaugeMetricFamily("tunesmith_waiting", "Answers that wait for a row.", value=worker.waiting)
        yield GaugeMetricFamily("tunesmith_adapters", "Names of adapters.", value=len(worker.shelf.names()))
        told = "Versions of adapters on the network; more than names while answers end that began with an earlier one."
        yield GaugeMetricFamily("tunesmith_versions", told, value=len(worker.model.adapters))
        yield GaugeMetricFamily("tunesmith_worker_alive", "1 while the worker's thread runs.", value=int(worker.alive))


class Measured:
    """Counts requests by the path that they were for, and how long their answers took, streams to their end."""

    def __init__(self, app: ASGIApp, figures: Figures) -> None:
        self.app, self.figures = app, figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = time.monotonic(), 500

        async def measured(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, measured)
        finally:
            path = getattr(scope.get("route"), "path", "other")  # never a client's own words
            self.figures.request(path, status, time.monotonic() - began)
