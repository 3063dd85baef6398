"""Models to be served, from where and in which versions: read from a config file or seen in a folder.

The message is TensorFlow Serving's ModelServerConfig, and so are the rules it must keep (server_core.cc in
tensorflow_serving/model_servers of the repository tensorflow/serving).
"""

from __future__ import annotations

import os
from pathlib import Path

from tensorflow_serving.config.file_system_storage_path_source_pb2 import FileSystemStoragePathSourceConfig
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

from sftkeras.errors import SFTError
from sftkeras.serving.errors import ServingError, failed_precondition, invalid
from sftkeras.serving.text_files import read_text_message
from sftkeras.serving.version_folders import version_folders

PLATFORM = "tensorflow"


def read_model_config(path: Path) -> ModelServerConfig:
    """Reads a model_config_file.

    Raises:
        SFTError: SFT702 if it cannot be read or breaks a rule; line and place are named.
    """
    config = read_text_message(path, ModelServerConfig())
    try:
        check_config(config)
    except ServingError as error:
        raise SFTError("SFT702", file=path, problem=error.message) from None
    return config


def find_models(folder: Path) -> ModelServerConfig:
    """The config that serves the newest version of every model in `folder`, or of the one that `folder` is.

    Raises:
        SFTError: SFT701 if there is no such folder.
    """
    if not folder.is_dir():
        raise SFTError("SFT701", path=folder, problem="no such folder")
    config = ModelServerConfig()
    config.model_config_list.SetInParent()  # a list, if an empty one
    for model in [folder] if _is_model(folder) else filter(_is_model, sorted(folder.iterdir())):
        config.model_config_list.config.add(
            name=model.resolve().name, base_path=str(model.absolute()), model_platform=PLATFORM
        )
    return config


def check_config(config: ModelServerConfig) -> None:
    """Holds a config against the rules.

    Raises:
        ServingError: INVALID_ARGUMENT or FAILED_PRECONDITION with the C++ server's message.
    """
    if config.WhichOneof("config") == "custom_model_config":
        raise invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
            "supported"
        )
    names: set[str] = set()
    for model in config.model_config_list.config:
        if model.name in names:
            raise invalid(f"Illegal to list model {model.name} multiple times in config list")
        names.add(model.name)
        _check_model(model)


def wanted_versions(found: set[int], policy: FileSystemStoragePathSourceConfig.ServableVersionPolicy) -> set[int]:
    """Chooses among the versions on disk.

    Args:
        found: their numbers.
        policy: of the model; none set means the newest version.
    """
    match policy.WhichOneof("policy_choice"):
        case "all":
            return found
        case "specific":
            return found & set(policy.specific.versions)
    return set(sorted(found)[-(policy.latest.num_versions or 1) :])


def _check_model(model: ModelConfig) -> None:
    if model.model_platform != PLATFORM:
        raise failed_precondition(
            f"Model {model.name} requests unsupported platform {model.model_platform or '(none)'}; it must be "
            f'"{PLATFORM}"'
        )
    if not os.path.isabs(model.base_path):
        raise invalid(f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}")
    policy = model.model_version_policy
    if policy.WhichOneof("policy_choice") == "specific" and not policy.specific.versions:
        raise invalid(f"Model {model.name} asks for specific versions and names none")


def _is_model(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(".") and bool(version_folders(entry))
