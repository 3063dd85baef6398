"""Answers requests: finds the version, checks, runs in batches, and puts the answer into the protocol's messages.

gRPC and REST both call this; how requests come in and go out is their business. Everything awaited here belongs to one
event loop; the runs are done by the batching threads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

import numpy as np
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import ClassificationResponse, ClassificationResult
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.inference_pb2 import InferenceResult, MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.regression_pb2 import RegressionResponse, RegressionResult
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from sftkeras.serving.batching import Batcher
from sftkeras.serving.errors import invalid, too_late
from sftkeras.serving.examples import (
    ExampleSignature,
    classification_head,
    examples_run,
    multi_inference_heads,
    read_head,
    regression_head,
)
from sftkeras.serving.model_store import ModelStore
from sftkeras.serving.observer import Observer
from sftkeras.serving.predicting import find_signature, predict_run
from sftkeras.serving.runs import DEFAULT_SIGNATURE, EngineRun
from sftkeras.serving.served_version import ServedVersion

Tensors = dict[str, np.ndarray]


class Answering:
    """The calls of the protocols.

    Every call raises ServingError with the status and the message for the caller. `timeout` is in seconds; a request
    without one gets the server's own, and none gets more than that.

    Args:
        store: of the models.
        batcher: runs requests in batches.
        observer: notified of the rows that requests hold.
        request_seconds: longest time for one request.

    Attributes:
        store: of the models.
    """

    def __init__(self, store: ModelStore, batcher: Batcher, observer: Observer, *, request_seconds: float) -> None:
        self.store = store
        self._batcher = batcher
        self._observer = observer
        self._request_seconds = request_seconds

    async def predict(
        self,
        spec: ModelSpec,
        inputs: Mapping[str, np.ndarray],
        output_filter: Sequence[str] = (),
        timeout: float | None = None,
    ) -> tuple[ModelSpec, Tensors]:
        """Answers named tensors with named tensors.

        Args:
            spec: which model, version and signature.
            inputs: one array for each input of the signature; strings are object arrays of bytes.
            output_filter: names of the wanted outputs; none means all.
            timeout: see the class.

        Returns:
            What answered, and its outputs by name.
        """
        with self.store.use(spec) as version:
            return _answered(spec, version), await self.answer_with(
                version, spec.signature_name, inputs, output_filter, timeout
            )

    async def answer_with(
        self,
        version: ServedVersion,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        output_filter: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Tensors:
        """Answers by a version that the caller holds, though a newer one may have come; otherwise as `predict`."""
        run, outputs = predict_run(version.signatures, signature, inputs, output_filter)
        version.check_size(signature or DEFAULT_SIGNATURE, inputs)
        tensors = await self._run(version, run, timeout)
        answers = {name: tensors[tensor] for name, tensor in outputs.items()}
        self._observer.answered(model=version.model, outputs=answers)
        return answers

    async def classify(self, spec: ModelSpec, examples: Input, timeout: float | None = None) -> ClassificationResponse:
        """Answers tf.Examples with labels and scores."""
        with self.store.use(spec) as version:
            head = classification_head(version.signatures, spec.signature_name)
            (result,) = await self._answer_examples(version, [head], examples, timeout)
        return ClassificationResponse(model_spec=_answered(spec, version), result=result)

    async def regress(self, spec: ModelSpec, examples: Input, timeout: float | None = None) -> RegressionResponse:
        """Answers tf.Examples with one number each."""
        with self.store.use(spec) as version:
            head = regression_head(version.signatures, spec.signature_name)
            (result,) = await self._answer_examples(version, [head], examples, timeout)
        return RegressionResponse(model_spec=_answered(spec, version), result=result)

    async def multi_inference(
        self, request: MultiInferenceRequest, timeout: float | None = None
    ) -> MultiInferenceResponse:
        """Answers the same tf.Examples by several signatures of one model, in one run."""
        spec = request.tasks[0].model_spec if request.tasks else ModelSpec()
        with self.store.use(spec) as version:
            heads = multi_inference_heads(version.signatures, request.tasks)
            results = await self._answer_examples(version, heads, request.input, timeout)
        response = MultiInferenceResponse()
        for task, head, result in zip(request.tasks, heads, results, strict=True):
            kind = "regression_result" if head.regression else "classification_result"
            response.results.append(InferenceResult(model_spec=_answered(task.model_spec, version), **{kind: result}))
        return response

    def signature(self, spec: ModelSpec) -> SignatureDef:
        """The signature that `predict` would use."""
        with self.store.use(spec) as version:
            return find_signature(version.signatures, spec.signature_name)

    def metadata(self, spec: ModelSpec, fields: Sequence[str] = ("signature_def",)) -> GetModelMetadataResponse:
        """The signatures of a version; `signature_def` is the only field there is."""
        # Messages of get_model_metadata_impl.cc; its format string is never filled in.
        if not fields:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in fields:
            if field != "signature_def":
                raise invalid(f"Metadata field {field} is not supported")
        with self.store.use(spec) as version:
            response = GetModelMetadataResponse(model_spec=ModelSpec(name=version.model))
            response.model_spec.version.value = version.number
            response.metadata["signature_def"].Pack(SignatureDefMap(signature_def=version.signatures))
        return response

    def status(self, spec: ModelSpec) -> GetModelStatusResponse:
        """The states of a model's versions."""
        return self.store.status(spec)

    async def reload(self, config: ModelServerConfig) -> None:
        """Serves other models, or other versions of them; see `ModelStore.reload`."""
        await asyncio.to_thread(self.store.reload, config)

    async def _answer_examples(
        self, version: ServedVersion, heads: Sequence[ExampleSignature], examples: Input, timeout: float | None
    ) -> list[ClassificationResult | RegressionResult]:
        run = examples_run(heads, examples)
        tensors = await self._run(version, run, timeout)
        results = []
        for head in heads:
            outputs = {role: tensors[info.name] for role, info in head.outputs.items()}
            self._observer.answered(model=version.model, outputs=outputs)
            results.append(read_head(head, outputs, len(run.arrays[0])))
        return results

    async def _run(self, version: ServedVersion, run: EngineRun, timeout: float | None) -> Tensors:
        """Runs in a batch.

        Returns:
            What was fetched, by the name of the tensor.
        """
        seconds = self._request_seconds if timeout is None else min(timeout, self._request_seconds)
        future = self._batcher.submit(version, run, time.monotonic() + seconds)
        self._observer.examples(model=version.model, count=run.rows or 1)
        try:
            arrays = await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        except TimeoutError:
            raise too_late() from None
        return dict(zip(run.call.fetches, arrays, strict=True))


def _answered(spec: ModelSpec, version: ServedVersion) -> ModelSpec:
    """The version that answered, as MakeModelSpec in util.cc writes it."""
    answered = ModelSpec(name=spec.name, signature_name=spec.signature_name or DEFAULT_SIGNATURE)
    answered.version.value = version.number
    return answered
