"""`python -m sftkeras.serving.client.write_messages`: takes the messages anew from tensorflow-serving-api.

The one module here that imports TensorFlow. Run it when the pinned version of tensorflow-serving-api changes; a test
fails until then.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from sftkeras.serving.client.messages import FILE


def installed_messages() -> bytes:
    """Serializes the files of the messages that the client uses, each after those it imports."""
    from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

    files: dict[str, Any] = {}

    def add(file: Any) -> None:
        for dependency in file.dependencies:
            add(dependency)
        files.setdefault(file.name, file)

    for module in (predict_pb2, get_model_metadata_pb2):
        add(module.DESCRIPTOR)
    found = FileDescriptorSet()
    for file in files.values():
        found.file.add().ParseFromString(file.serialized_pb)
    return found.SerializeToString(deterministic=True)


if __name__ == "__main__":
    FILE.write_bytes(installed_messages())
