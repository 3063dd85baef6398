"""The messages of TensorFlow Serving's protocol as Python classes, without TensorFlow.

The modules of tensorflow-serving-api import TensorFlow. Here the same messages are built from their descriptors, which
`write_messages` keeps in messages.binpb. They live in a pool of their own: in the default one they would clash with
TensorFlow's when a process has both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

FILE = Path(__file__).with_name("messages.binpb")

_pool = DescriptorPool()
for _file in FileDescriptorSet.FromString(FILE.read_bytes()).file:
    _pool.Add(_file)


def _message(name: str) -> Any:
    return GetMessageClass(_pool.FindMessageTypeByName(name))


_data_types = _pool.FindEnumTypeByName("tensorflow.DataType").values
DATA_TYPES: dict[str, int] = {value.name: value.number for value in _data_types}
TensorProto = _message("tensorflow.TensorProto")
ModelSpec = _message("tensorflow.serving.ModelSpec")
PredictRequest = _message("tensorflow.serving.PredictRequest")
PredictResponse = _message("tensorflow.serving.PredictResponse")
GetModelMetadataRequest = _message("tensorflow.serving.GetModelMetadataRequest")
GetModelMetadataResponse = _message("tensorflow.serving.GetModelMetadataResponse")
SignatureDefMap = _message("tensorflow.serving.SignatureDefMap")
