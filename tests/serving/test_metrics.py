"""Metrics: TensorFlow Serving's names and values, labels that stay few, and a page that Prometheus reads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from grpc import StatusCode
from prometheus_client.parser import text_string_to_metric_families

from sftkeras.serving.generation.observer import Load
from sftkeras.serving.metrics import Metrics

RAN = {"model": "tiny", "rows": 3, "padding": 1, "waited": 0.002, "seconds": 0.01}


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics()
    metrics.watch(lambda: ["tiny"], lambda: [("tiny", 3, "AVAILABLE"), ("tiny", 2, "END")])
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """A sample as Prometheus' own parser reads it from the page."""
    for family in text_string_to_metric_families(metrics.page().decode()):
        for sample in family.samples:
            # The parser gives every counter the ending _total.
            if sample.name in (name, f"{name}_total") and sample.labels == labels:
                return sample.value
    return None


def request(metrics: Metrics, model: str = "tiny", status: StatusCode = StatusCode.OK) -> None:
    metrics.request(api="Predict", entrypoint="GRPC", model=model, status=status, seconds=0.25)


def test_requests_have_tensorflow_servings_names_and_microseconds(metrics: Metrics) -> None:
    request(metrics)
    request(metrics, status=StatusCode.INVALID_ARGUMENT)
    latency = {"model_name": "tiny", "API": "Predict", "entrypoint": "GRPC"}
    assert value(metrics, ":tensorflow:serving:request_count", model_name="tiny", status="OK") == 1
    assert value(metrics, ":tensorflow:serving:request_count", model_name="tiny", status="INVALID_ARGUMENT") == 1
    assert value(metrics, ":tensorflow:serving:request_latency_count", **latency) == 1  # the answered one
    assert value(metrics, ":tensorflow:serving:request_latency_sum", **latency) == pytest.approx(250_000)


def test_texts_that_are_generated_are_counted_and_timed(metrics: Metrics) -> None:
    generation = metrics.generation
    generation.loaded(model="tiny", version=3, load=Load(running=2, slots=16, waiting=1, pages_held=7, pages=90))
    generation.stream_began(model="tiny", seconds=0.25, prompt_tokens=40, cached_tokens=32)
    generation.generated(model="tiny", tokens=2, seconds=0.5)
    generation.stream_ended(model="tiny", outcome="stop", new_tokens=5, seconds=2.0)
    generation.stream_ended(model="tiny", outcome="left", new_tokens=0, seconds=0.0)
    assert value(metrics, "sftkeras_time_to_first_token_seconds_sum", model_name="tiny") == 0.25
    assert value(metrics, "sftkeras_time_per_token_seconds_sum", model_name="tiny") == 0.5
    assert value(metrics, "sftkeras_time_per_token_seconds_count", model_name="tiny") == 1
    assert value(metrics, "sftkeras_prompt_tokens", model_name="tiny", source="read") == 8
    assert value(metrics, "sftkeras_prompt_tokens", model_name="tiny", source="cached") == 32
    assert value(metrics, "sftkeras_generated_tokens", model_name="tiny") == 2
    assert value(metrics, "sftkeras_generated_texts", model_name="tiny", outcome="left") == 1
    assert value(metrics, "sftkeras_slots_used", model_name="tiny", version="3") == 2
    assert value(metrics, "sftkeras_cache_pages", model_name="tiny", version="3") == 90
    generation.loaded(model="tiny", version=3, load=None)
    assert value(metrics, "sftkeras_slots_used", model_name="tiny", version="3") is None


def test_batches_are_counted_and_timed(metrics: Metrics) -> None:
    metrics.ran(**RAN)  # type: ignore[arg-type]
    metrics.waiting(model="tiny", rows=7)
    metrics.examples(model="tiny", count=5)
    runtime = {"model_name": "tiny", "API": "Predict", "runtime": "TF1"}
    assert value(metrics, ":tensorflow:core:graph_runs") == 1
    assert value(metrics, ":tensorflow:core:graph_run_time_usecs") == pytest.approx(10_000)
    assert value(metrics, ":tensorflow:serving:runtime_latency_sum", **runtime) == pytest.approx(10_000)
    assert value(metrics, ":tensorflow:serving:batching_session:wrapped_run_count") == 1
    queuing = ":tensorflow:serving:batching_session:queuing_latency_sum"
    assert value(metrics, queuing, thread_pool_name="tiny") == pytest.approx(2000)
    assert value(metrics, ":tensorflow:serving:request_example_count_total", model="tiny") == 5
    assert value(metrics, "sftkeras_batch_rows_sum", model_name="tiny") == 3
    assert value(metrics, "sftkeras_batch_padding_rows_total", model_name="tiny") == 1
    assert value(metrics, "sftkeras_queued_rows", model_name="tiny") == 7


def test_types_are_named_for_prometheus(metrics: Metrics) -> None:
    request(metrics)
    lines = metrics.page().decode().splitlines()
    assert ':tensorflow:serving:request_count{model_name="tiny",status="OK"} 1.0' in lines
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    assert "# TYPE :tensorflow:serving:request_latency histogram" in lines
    assert not [line for line in lines if "_created" in line]


def test_models_that_are_not_there_make_no_time_series(metrics: Metrics) -> None:
    for number in range(1000):
        request(metrics, model=f"guess-{number}", status=StatusCode.NOT_FOUND)
    assert value(metrics, ":tensorflow:serving:request_count", model_name="(unknown)", status="NOT_FOUND") == 1000
    assert len(metrics.page()) < 20_000


def test_predicted_labels_are_counted(metrics: Metrics) -> None:
    classes = np.array([[b"sad", b"funny"]] * 2, object)
    metrics.answered(model="tiny", outputs={"label": np.array([b"sad", b"sad", "très".encode()], object)})
    metrics.answered(model="tiny", outputs={"selected": np.array([[True, True], [False, False]]), "classes": classes})
    metrics.answered(model="tiny", outputs={"scores": np.array([[0.1, 0.9], [0.2, 0.8]]), "classes": classes})
    metrics.answered(model="tiny", outputs={"value": np.array([1.5])})
    name = "sftkeras_predicted_labels_total"
    counts = {label: value(metrics, name, model_name="tiny", label=label) for label in ("sad", "très", "funny")}
    assert counts == {"sad": 3, "très": 1, "funny": 3}


def test_what_fills_rows_of_entities_up_is_no_prediction(metrics: Metrics) -> None:
    label = np.array([[b"PER", b"LOC"], [b"PER", b""], [b"", b""]], object)
    metrics.answered(model="tiny", outputs={"label": label})
    name = "sftkeras_predicted_labels_total"
    counts = {label: value(metrics, name, model_name="tiny", label=label) for label in ("PER", "LOC", "")}
    assert counts == {"PER": 2, "LOC": 1, "": None}


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        {"label": np.zeros([0], object)},
        {"scores": np.zeros([2, 1])},
        {"scores": np.zeros([0, 2]), "classes": np.zeros([0, 2], object)},
        {"scores": np.zeros([2, 2]), "classes": np.zeros([2], object)},
    ],
)
def test_answers_without_labels_count_nothing(metrics: Metrics, outputs: dict[str, np.ndarray]) -> None:
    metrics.answered(model="tiny", outputs=outputs)
    assert b"sftkeras_predicted_labels_total{" not in metrics.page()


def test_thousands_of_labels_share_one_time_series(metrics: Metrics) -> None:
    labels = np.array([f"label-{number}".encode() for number in range(5000)], object)
    metrics.answered(model="tiny", outputs={"label": labels})
    assert metrics.page().count(b"sftkeras_predicted_labels_total{") == 101
    assert value(metrics, "sftkeras_predicted_labels_total", model_name="tiny", label="(other)") == 4900


def test_versions_are_shown_as_they_are_now(metrics: Metrics) -> None:
    assert value(metrics, "sftkeras_model_version", model_name="tiny", version="3", state="AVAILABLE") == 1
    assert value(metrics, "sftkeras_model_version", model_name="tiny", version="2", state="END") == 1


def test_no_count_is_lost_between_threads(metrics: Metrics) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in range(2000):
            pool.submit(request, metrics)
    assert value(metrics, ":tensorflow:serving:request_count", model_name="tiny", status="OK") == 2000
