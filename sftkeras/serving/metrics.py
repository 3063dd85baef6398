"""Prometheus metrics: what the server counts and times, under TensorFlow Serving's names where it has them.

A metric that TensorFlow Serving calls /tensorflow/serving/request_count is `:tensorflow:serving:request_count` to
Prometheus (tensorflow_serving/util/prometheus_exporter.cc); its times are in microseconds. What is ours begins with
`sftkeras_` and is in Prometheus' base units.
"""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import prometheus_client
from grpc import StatusCode
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from sftkeras.serving.generation.metrics import GenerationMetrics
from sftkeras.tasks.predictions import labels_in

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DEFAULT_PATH = "/monitoring/prometheus/metrics"

# A model of thousands of classes would make as many time series: the rest share one.
_MOST_LABELS = 100
OTHER = "(other)"
# A client chooses the name of a model that is not there, so it is no label.
UNKNOWN = "(unknown)"

_BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

States = Iterable[tuple[str, int, str]]
"""Model, version, state (as in GetModelStatus), for each version the server knows."""


def _exponential(first: float, growth: float, count: int) -> list[float]:
    """Bounds of buckets as monitoring::Buckets::Exponential gives them."""
    return [first * growth**step for step in range(count)]


# Sampler's buckets in tensorflow_serving/servables/tensorflow/util.cc and batching/batching_session.cc.
_LATENCY = _exponential(10, 1.8, 33)  # 10 µs to about 20 minutes
_QUEUING = _exponential(100, 1.2, 52)  # 100 µs to about a second
_EXAMPLES = _exponential(1, 2, 15)


class _ServingCounter(Collector):
    """A counter of TensorFlow Serving's, whose name does not end in `_total` as prometheus_client wants it to."""

    def __init__(self, name: str, description: str, labels: Sequence[str] = ()) -> None:
        self.name, self._description, self._labels = name, description, labels
        self._lock = threading.Lock()
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0.0}

    def add(self, *labels: str, amount: float = 1) -> None:
        with self._lock:
            self._values[labels] = self._values.get(labels, 0.0) + amount

    def collect(self) -> Iterator[Metric]:
        metric = Metric(self.name, self._description, "unknown")
        with self._lock:
            values = dict(self._values)
        for labels, value in values.items():
            metric.add_sample(self.name, dict(zip(self._labels, labels, strict=True)), value)
        yield metric


class _Versions(Collector):
    """The versions and their states, read when the metrics are."""

    def __init__(self) -> None:
        self.states: Callable[[], States] = tuple

    def collect(self) -> Iterator[Metric]:
        metric = Metric("sftkeras_model_version", "Versions that the server knows, 1 each, by state.", "gauge")
        for model, version, state in self.states():
            labels = {"model_name": model, "version": str(version), "state": state}
            metric.add_sample(metric.name, labels, 1)
        yield metric


class Metrics:
    """Counts and times; may be called from any thread. It is an `Observer`.

    Attributes:
        generation: counts and times of texts that are generated.
    """

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()  # a second time series for each counter, which is not needed
        self._registry = CollectorRegistry()
        self._names: Callable[[], Iterable[str]] = tuple
        self._known: set[str] = set()
        self._labels: dict[str, set[str]] = {}
        self._make_serving_metrics()
        self._make_own_metrics()

    def _make_serving_metrics(self) -> None:
        self._requests = self._counter(
            ":tensorflow:serving:request_count", "The total number of requests.", ("model_name", "status")
        )
        self._latency = self._histogram(
            ":tensorflow:serving:request_latency",
            "Wall time in microseconds of requests that were answered.",
            ("model_name", "API", "entrypoint"),
            _LATENCY,
        )
        self._runtime = self._histogram(
            ":tensorflow:serving:runtime_latency",
            "Wall time in microseconds that a batch took in TensorFlow.",
            ("model_name", "API", "runtime"),
            _LATENCY,
        )
        self._examples = self._histogram(
            ":tensorflow:serving:request_example_counts", "Rows of a request.", ("model",), _EXAMPLES
        )
        self._examples_total = self._counter(
            ":tensorflow:serving:request_example_count_total", "The total number of rows.", ("model",)
        )
        self._queuing = self._histogram(
            ":tensorflow:serving:batching_session:queuing_latency",
            "Wall time in microseconds that the oldest request of a batch waited for its start.",
            ("thread_pool_name",),
            _QUEUING,
        )
        self._wrapped_runs = self._counter(
            ":tensorflow:serving:batching_session:wrapped_run_count", "Batches given to TensorFlow."
        )
        self._graph_runs = self._counter(":tensorflow:core:graph_runs", "The number of graph executions.")
        self._graph_time = self._counter(
            ":tensorflow:core:graph_run_time_usecs", "The total time spent on executing graphs in microseconds."
        )

    def _make_own_metrics(self) -> None:
        self._batch_rows = self._histogram(
            "sftkeras_batch_rows", "Rows that a batch held, without padding.", ("model_name",), _BATCH_ROWS
        )
        self._padding = Counter(
            "sftkeras_batch_padding_rows",
            "Rows added to reach an allowed size.",
            ["model_name"],
            registry=self._registry,
        )
        self._queued = Gauge(
            "sftkeras_queued_rows", "Rows that wait for a batch.", ["model_name"], registry=self._registry
        )
        self._refused = Counter(
            "sftkeras_refused_requests",
            "Requests that were refused before a model saw them: no right to ask, too large, too many.",
            ["entrypoint", "status"],
            registry=self._registry,
        )
        self._predicted = Counter(
            "sftkeras_predicted_labels",
            "Labels that the model predicted, to watch their mix drift.",
            ["model_name", "label"],
            registry=self._registry,
        )
        self.generation = GenerationMetrics(self._registry, self._model)
        self._versions = _Versions()
        self._registry.register(self._versions)
        ProcessCollector(registry=self._registry)

    def _counter(self, name: str, description: str, labels: Sequence[str] = ()) -> _ServingCounter:
        counter = _ServingCounter(name, description, labels)
        self._registry.register(counter)
        return counter

    def _histogram(self, name: str, description: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
        return Histogram(name, description, labels, buckets=buckets, registry=self._registry)

    def watch(self, names: Callable[[], Iterable[str]], states: Callable[[], States]) -> None:
        """Sets where the models and the states of their versions are read from."""
        self._names, self._versions.states = names, states

    def request(self, *, api: str, entrypoint: str, model: str, status: StatusCode, seconds: float) -> None:
        """A request was answered or refused; `entrypoint` is GRPC or REST, `model` "" if it named none."""
        name = self._model(model)
        self._requests.add(name, status.name)
        if status is StatusCode.OK:
            self._latency.labels(name, api, entrypoint).observe(seconds * 1e6)

    def refused(self, *, entrypoint: str, status: StatusCode) -> None:
        """A request was refused before it was known what it asks for."""
        self._refused.labels(entrypoint, status.name).inc()

    def examples(self, *, model: str, count: int) -> None:
        """A request was accepted that holds `count` rows."""
        name = self._model(model)
        self._examples.labels(name).observe(count)
        self._examples_total.add(name, amount=count)

    def ran(self, *, model: str, rows: int, padding: int, waited: float, seconds: float) -> None:
        """The engine ran one batch; see `Observer.ran`."""
        name = self._model(model)
        microseconds = seconds * 1e6
        self._runtime.labels(name, "Predict", "TF1").observe(microseconds)  # a session, which C++ calls TF1
        self._queuing.labels(name).observe(waited * 1e6)
        self._wrapped_runs.add()
        self._graph_runs.add()
        self._graph_time.add(amount=microseconds)
        self._batch_rows.labels(name).observe(rows)
        self._padding.labels(name).inc(padding)

    def waiting(self, *, model: str, rows: int) -> None:
        """So many rows stand in the model's queue now."""
        self._queued.labels(self._model(model)).set(rows)

    def answered(self, *, model: str, outputs: Mapping[str, np.ndarray]) -> None:
        """A request got these named answers, one row a text: counts the labels among them."""
        for label, count in _predicted_labels(outputs).items():
            self._predicted.labels(self._model(model), self._bounded(model, label)).inc(count)

    def page(self) -> bytes:
        """All metrics, in Prometheus' text format (`CONTENT_TYPE`)."""
        text = generate_latest(self._registry)
        for counter in (self._requests, self._examples_total, self._wrapped_runs, self._graph_runs, self._graph_time):
            text = text.replace(
                f"# TYPE {counter.name} untyped\n".encode(), f"# TYPE {counter.name} counter\n".encode()
            )
        return text

    def _model(self, name: str) -> str:
        if name not in self._known:
            self._known = set(self._names())
        return name if name in self._known else UNKNOWN

    def _bounded(self, model: str, label: str) -> str:
        seen = self._labels.setdefault(model, set())
        if label not in seen and len(seen) >= _MOST_LABELS:
            return OTHER
        seen.add(label)
        return label


def _predicted_labels(outputs: Mapping[str, np.ndarray]) -> Mapping[str, int]:
    """Number of times each label was predicted; none if the outputs hold no labels.

    They are those of a task, or what Classify fetches: `scores` with `classes` [rows, classes], the largest of which
    counts.
    """
    labels = labels_in(outputs)
    if (
        labels is None
        and outputs.keys() >= {"scores", "classes"}
        and outputs["scores"].shape == outputs["classes"].shape
    ):
        best = outputs["scores"].argmax(-1, keepdims=True) if outputs["scores"].size else np.zeros([0, 1], np.int64)
        labels = np.take_along_axis(outputs["classes"], best, -1).ravel()
    return {} if labels is None else Tally(map(_text, labels.tolist()))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
