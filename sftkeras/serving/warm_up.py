"""Replays the requests that a version brings along, so that its first user does not wait. Writing them is the business
of `sftkeras.exporting.warm_up`."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from grpc import StatusCode
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from sftkeras.serving.engine import Engine
from sftkeras.serving.errors import ServingError, invalid
from sftkeras.serving.examples import (
    classification_head,
    examples_run,
    multi_inference_heads,
    regression_head,
)
from sftkeras.serving.predicting import predict_run
from sftkeras.serving.runs import EngineRun, Signatures
from sftkeras.serving.tensors import to_array

FILE = Path("assets.extra", "tf_serving_warmup_requests")

# WarmupConsts::kMaxNumRecords of saved_model_warmup_util.h in tensorflow/serving.
_MOST_RECORDS = 1000


def warm_up(engine: Engine, folder: Path) -> int:
    """Runs every request of the version's warm-up file, if it has one.

    Returns:
        How many there were.

    Raises:
        ServingError: one does not fit the model or fails, or the file is damaged or too long; a version that cannot
            answer its own requests is not served.
    """
    path = folder / FILE
    if not path.is_file():
        return 0
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            count += 1
            if count > _MOST_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({_MOST_RECORDS}) at {path}")
            run = _run(engine.signatures, PredictionLog.FromString(record))
            if run:
                engine.run(run.call, run.arrays)
    except DecodeError:
        raise invalid(f"Failed to parse warmup record {count} from {path}") from None
    except tf.errors.DataLossError as error:
        raise invalid(f"{error.message}. Please verify your warmup data is in TFRecord format.") from None
    return count


def _run(signatures: Signatures, log: PredictionLog) -> EngineRun | None:
    """The run that a logged request needs; None for an empty log."""
    match log.WhichOneof("log_type"):
        case "predict_log":
            request = log.predict_log.request
            inputs = {name: to_array(name, tensor) for name, tensor in request.inputs.items()}
            return predict_run(signatures, request.model_spec.signature_name, inputs, request.output_filter)[0]
        case "classify_log":
            classify = log.classify_log.request
            return examples_run([classification_head(signatures, classify.model_spec.signature_name)], classify.input)
        case "regress_log":
            regress = log.regress_log.request
            return examples_run([regression_head(signatures, regress.model_spec.signature_name)], regress.input)
        case "multi_inference_log":
            multi = log.multi_inference_log.request
            return examples_run(multi_inference_heads(signatures, multi.tasks), multi.input)
        case "session_run_log":
            raise ServingError(StatusCode.UNIMPLEMENTED, "Unsupported log_type for warmup: session_run_log")
    return None
