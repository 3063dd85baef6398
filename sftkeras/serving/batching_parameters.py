"""Batching parameters, under the names of TensorFlow Serving's batching_parameters_file, and their reading."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

from sftkeras.errors import SFTError
from sftkeras.serving.text_files import read_text_message


@dataclass(frozen=True)
class BatchingParameters:
    """The batches of every model.

    The defaults suit models of texts on a CPU with few cores: there, batches of more than 8 texts gain nothing and lose
    more to padding, and delaying a request to fill a batch does not pay. A GPU wants larger batches.

    Attributes:
        max_batch_size: rows of one request, at most.
        max_execution_batch_size: rows that are run at once, at most.
        enable_large_batch_splitting: whether a request may have more rows than one run; if not, the two sizes are one.
        batch_timeout_micros: how long a batch that is not full waits for more, counted from its oldest request, while
            another batch runs. When nothing runs, waiting could gain nothing, and it goes at once.
        max_enqueued_batches: full batches that may wait, for each model; what comes on top is refused.
        num_batch_threads: batches that run at the same time.
        allowed_batch_sizes: sizes that batches are filled up to, in rising order; any size if empty.
        pad_variable_length_inputs: whether inputs that differ in their other dimensions share a batch, filled up with
            zeros and empty strings; else only inputs of one shape do.
    """

    max_batch_size: int = 1024
    max_execution_batch_size: int = 8
    enable_large_batch_splitting: bool = True
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 256
    num_batch_threads: int = 2
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False

    @property
    def most_waiting_rows(self) -> int:
        """Number of rows of a model that may wait."""
        return self.max_enqueued_batches * self.max_execution_batch_size

    def padded(self, rows: int) -> int:
        """The size that a batch of `rows` is filled up to."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


def read_batching_parameters(path: Path) -> BatchingParameters:
    """Reads a batching_parameters_file.

    Raises:
        SFTError: SFT702 if it cannot be read or a value makes no sense; line and place are named.
    """
    message: Any = read_text_message(path, _message_class()())
    given = {field.name: value.value if hasattr(value, "value") else value for field, value in message.ListFields()}
    given.pop("thread_pool_name", None)  # a name for logs
    if "allowed_batch_sizes" in given:
        given["allowed_batch_sizes"] = tuple(given["allowed_batch_sizes"])
    # As in bundle_factory_util.h of tensorflow/serving: where requests are not split, each fits one run.
    given.setdefault("enable_large_batch_splitting", "max_batch_size" not in given)
    parameters = BatchingParameters(**given)
    one_size = "max_batch_size" in given and "max_execution_batch_size" not in given
    if one_size or not parameters.enable_large_batch_splitting:
        parameters = replace(parameters, max_execution_batch_size=parameters.max_batch_size)
    if problem := _problem(parameters):
        raise SFTError("SFT702", file=path, problem=problem)
    return parameters


def _problem(parameters: BatchingParameters) -> str:
    for field in fields(parameters):
        value = getattr(parameters, field.name)
        least = 0 if field.name == "batch_timeout_micros" else 1
        if field.type == "int" and value < least:
            return f"{field.name} is {value}, and must be {least} or more"
    sizes = parameters.allowed_batch_sizes
    if parameters.max_execution_batch_size > parameters.max_batch_size:
        return "max_execution_batch_size is larger than max_batch_size"
    if list(sizes) != sorted(set(sizes)):
        return "allowed_batch_sizes must rise from value to value"
    if sizes and sizes[-1] != parameters.max_execution_batch_size:
        return f"the last of allowed_batch_sizes must be the largest batch, {parameters.max_execution_batch_size}"
    return ""


@cache
def _message_class() -> type:
    """The message BatchingParameters of session_bundle_config.proto in tensorflow/serving.

    The package tensorflow-serving-api does not have it. Only its text form is read, so the numbers are free.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name="sftkeras/batching_parameters.proto",
        package="sftkeras",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    message = file.message_type.add(name="BatchingParameters")
    kinds = descriptor_pb2.FieldDescriptorProto
    wrapped = {
        "max_batch_size": "Int64Value",
        "max_execution_batch_size": "Int64Value",
        "enable_large_batch_splitting": "BoolValue",
        "batch_timeout_micros": "Int64Value",
        "max_enqueued_batches": "Int64Value",
        "num_batch_threads": "Int64Value",
        "thread_pool_name": "StringValue",
    }
    for number, (name, kind) in enumerate(wrapped.items(), start=1):
        message.field.add(
            name=name,
            number=number,
            label=kinds.LABEL_OPTIONAL,
            type=kinds.TYPE_MESSAGE,
            type_name=f".google.protobuf.{kind}",
        )
    message.field.add(name="allowed_batch_sizes", number=20, label=kinds.LABEL_REPEATED, type=kinds.TYPE_INT64)
    message.field.add(name="pad_variable_length_inputs", number=21, label=kinds.LABEL_OPTIONAL, type=kinds.TYPE_BOOL)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("sftkeras.BatchingParameters"))
