"""Prometheus metrics of texts that are generated, in Prometheus' base units."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sftkeras.serving.generation.observer import Load

_FIRST_TOKEN = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120)  # seconds
_NEXT_TOKEN = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2)


class GenerationMetrics:
    """Counts and times; may be called from any thread. It is a `GenerationObserver`.

    Args:
        registry: of the server's metrics.
        label: the label for a model's name.
    """

    def __init__(self, registry: CollectorRegistry, label: Callable[[str], str]) -> None:
        self._label = label
        self._versions: dict[tuple[str, int], tuple[str, str]] = {}
        self._first_token = Histogram(
            "sftkeras_time_to_first_token_seconds",
            "From a request for a text to its first token, the wait for a slot included.",
            ["model_name"],
            buckets=_FIRST_TOKEN,
            registry=registry,
        )
        self._next_token = Histogram(
            "sftkeras_time_per_token_seconds",
            "Time of a text after its first token by the tokens after it, a text each.",
            ["model_name"],
            buckets=_NEXT_TOKEN,
            registry=registry,
        )
        self._tokens = Counter(
            "sftkeras_generated_tokens", "Tokens that were generated.", ["model_name"], registry=registry
        )
        self._prompt_tokens = Counter(
            "sftkeras_prompt_tokens",
            "Tokens of prompts: read, or cached, which an earlier text had read.",
            ["model_name", "source"],
            registry=registry,
        )
        self._texts = Counter(
            "sftkeras_generated_texts",
            "Texts by what ended them: stop, length, left (the client went away) or a status.",
            ["model_name", "outcome"],
            registry=registry,
        )
        self._call_seconds = Counter(
            "sftkeras_generation_seconds", "Time in TensorFlow.", ["model_name"], registry=registry
        )
        self._calls = Counter("sftkeras_generation_calls", "Calls of TensorFlow.", ["model_name"], registry=registry)
        version = ["model_name", "version"]
        self._loads = {
            "running": Gauge("sftkeras_slots_used", "Texts that are being generated.", version, registry=registry),
            "slots": Gauge("sftkeras_slots", "Texts that can be generated at once.", version, registry=registry),
            "waiting": Gauge("sftkeras_texts_waiting", "Texts that wait for a slot.", version, registry=registry),
            "pages_held": Gauge(
                "sftkeras_cache_pages_used", "Pages of keys and values that texts hold.", version, registry=registry
            ),
            "pages": Gauge("sftkeras_cache_pages", "Pages of keys and values.", version, registry=registry),
        }

    def stream_began(self, *, model: str, seconds: float, prompt_tokens: int, cached_tokens: int) -> None:
        """The first token of a stream came."""
        name = self._label(model)
        self._first_token.labels(name).observe(seconds)
        self._prompt_tokens.labels(name, "read").inc(prompt_tokens - cached_tokens)
        self._prompt_tokens.labels(name, "cached").inc(cached_tokens)

    def stream_ended(self, *, model: str, outcome: str, new_tokens: int, seconds: float) -> None:
        """A stream ended."""
        name = self._label(model)
        self._texts.labels(name, outcome).inc()
        if new_tokens > 1:
            self._next_token.labels(name).observe(seconds / (new_tokens - 1))

    def generated(self, *, model: str, tokens: int, seconds: float) -> None:
        """A call drew new tokens."""
        name = self._label(model)
        self._tokens.labels(name).inc(tokens)
        self._calls.labels(name).inc()
        self._call_seconds.labels(name).inc(seconds)

    def loaded(self, *, model: str, version: int, load: Load | None) -> None:
        """Present load of a version."""
        # Those of the first time, in case that the model is no longer known when its version is unloaded.
        labels = self._versions.setdefault((model, version), (self._label(model), str(version)))
        if load is None:
            del self._versions[model, version]
        for name, gauge in self._loads.items():
            if load is None:
                gauge.remove(*labels)
            else:
                gauge.labels(*labels).set(load._asdict()[name])
