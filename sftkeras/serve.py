"""`python -m sftkeras.serve`: an embedded server for exported models that speaks TensorFlow Serving's protocols."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras.command_line import commands
from sftkeras.config import ServeConfig
from sftkeras.console import say
from sftkeras.errors import SFTError
from sftkeras.runtime import start_tensorflow
from sftkeras.serving.batching_parameters import BatchingParameters, read_batching_parameters
from sftkeras.serving.generation.limits import GenerationLimits
from sftkeras.serving.model_config import find_models, read_model_config
from sftkeras.serving.security import Certificates, Token

if TYPE_CHECKING:
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    from sftkeras.serving.model_store import ModelStore
    from sftkeras.serving.server import Ports, Server


@dataclass(frozen=True)
class Guards:
    """Access rules: who may connect, predict and replace the models; None lets everyone predict and no one replace."""

    certificates: Certificates | None
    token: Token | None
    admin_token: Token | None


def main(config: ServeConfig) -> None:
    """Serves until SIGTERM or ctrl-C."""
    # Mistakes in files are reported before TensorFlow is loaded.
    source = _source(config)
    batching = _batching(config)
    certificates = _certificates(config)
    token, admin_token = _tokens(config)
    _check_ports(config)
    _warn_if_open(config, certificates, token)
    _share_cores(config.tensorflow_intra_op_parallelism)
    start_tensorflow(keras=False)
    _log_to_standard_error()
    if not asyncio.run(_serve(config, source, batching, Guards(certificates, token, admin_token))):
        sys.stdout.flush()
        os._exit(0)  # TensorFlow would wait at exit for the run that did not end in time


async def _serve(
    config: ServeConfig,
    source: Callable[[], ModelServerConfig],
    batching: BatchingParameters,
    guards: Guards,
) -> bool:
    """Returns whether all requests had ended when the server stopped."""
    store = _store(config, source)
    server = _server(config, store, batching, guards)
    try:
        ports = await _started(server, config)
        _check_available(store)
        stop = _stop_signal()  # until here there is nothing to drain, and a signal may end the process at once
        _announce(config, store, ports, tls=guards.certificates is not None)
        await stop.wait()
        say(f"Stopping; open requests get {config.drain_seconds:g} seconds.")
    finally:
        ended = await server.stop(config.drain_seconds)
    return ended


async def _started(server: Server, config: ServeConfig) -> Ports:
    from sftkeras.serving.errors import ServingError

    try:
        return await server.start()
    except ServingError as error:  # a label that names a version that is not there
        raise SFTError("SFT702", file=config.model_config_file, problem=error.message) from None


def _source(config: ServeConfig) -> Callable[[], ModelServerConfig]:
    """Source of the models' config, read once to find its mistakes."""
    if config.models and config.model_config_file:
        problem = "--models names the models already. Leave one of the two out."
        raise SFTError("SFT102", flag="--model_config_file", problem=problem)
    if not config.models and not config.model_config_file:
        raise SFTError("SFT104", flag="--models", remedy="Give a folder such as saved_models, or --model_config_file.")
    if config.model_config_file:
        source = partial(read_model_config, Path(config.model_config_file).expanduser())
        if not source().model_config_list.config:
            raise SFTError("SFT702", file=config.model_config_file, problem="it lists no model")
        return source
    folder = Path(config.models).expanduser()
    source = partial(find_models, folder)
    if not source().model_config_list.config:
        raise SFTError("SFT701", path=folder, problem="it holds no model")
    return source


def _batching(config: ServeConfig) -> BatchingParameters:
    if config.batching_parameters_file:
        return read_batching_parameters(Path(config.batching_parameters_file).expanduser())
    return BatchingParameters()


def _certificates(config: ServeConfig) -> Certificates | None:
    if bool(config.tls_certificate) != bool(config.tls_key) or (config.tls_client_ca and not config.tls_key):
        problem = "TLS needs both --tls_certificate and --tls_key."
        raise SFTError("SFT104", flag="--tls_key" if config.tls_certificate else "--tls_certificate", remedy=problem)
    if not config.tls_certificate or not config.tls_key:
        return None
    client_ca = Path(config.tls_client_ca).expanduser() if config.tls_client_ca else None
    certificates = Certificates(Path(config.tls_certificate).expanduser(), Path(config.tls_key).expanduser(), client_ca)
    certificates.http_context()
    return certificates


def _tokens(config: ServeConfig) -> tuple[Token | None, Token | None]:
    """The token of those who ask, and that of those who may replace the models."""
    token = Token(Path(config.token_file).expanduser()) if config.token_file else None
    admin_token = Token(Path(config.admin_token_file).expanduser()) if config.admin_token_file else None
    if token and admin_token and admin_token.shares(token):
        raise SFTError("SFT706", file=config.admin_token_file)
    return token, admin_token


def _check_ports(config: ServeConfig) -> None:
    if config.port is None and config.rest_api_port is None:
        raise SFTError("SFT104", flag="--port", remedy="Without it and --rest_api_port no request could come in.")
    for flag in ("port", "rest_api_port"):
        port = getattr(config, flag)
        if port is None:
            continue
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((config.host, port))
            except OSError as error:
                problem = error.strerror or error
                raise SFTError("SFT704", flag=flag, port=port, host=config.host, problem=problem) from None


def _warn_if_open(config: ServeConfig, certificates: Certificates | None, token: Token | None) -> None:
    if _is_loopback(config.host):
        return
    guards = {"TLS (--tls_certificate)": certificates, "token (--token_file)": token}
    missing = [name for name, given in guards.items() if not given]
    if missing:
        say(f"Warning: {config.host} can be reached from other machines, without {' and '.join(missing)}.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _share_cores(threads: int | None) -> None:
    """Says how many threads an operation may use; what the user has set for TensorFlow itself stays."""
    # Two runs side by side (num_batch_threads) use cores better than one that is spread over all.
    # MiniLM on 2 cores, 1 thread instead of 2: 6.2 instead of 7.6 ms for one client, 356 instead of 298 texts/s for 16.
    if threads:
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    else:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))


def _log_to_standard_error() -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("sftkeras").setLevel(logging.INFO)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns that V1 sessions are of old


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _store(config: ServeConfig, source: Callable[[], ModelServerConfig]) -> ModelStore:
    from sftkeras.serving.model_store import ModelStore

    poll = config.file_system_poll_wait_seconds
    return ModelStore(
        source,
        poll_seconds=poll,
        source_seconds=config.model_config_file_poll_wait_seconds if config.model_config_file else poll,
        labels_for_unavailable=config.allow_version_labels_for_unavailable_models,
        generation=GenerationLimits(
            slots=config.generation_slots,
            cache_bytes=config.generation_cache_bytes,
            queue=config.generation_queue,
            seconds=config.generation_seconds,
        ),
    )


def _server(
    config: ServeConfig,
    store: ModelStore,
    batching: BatchingParameters,
    guards: Guards,
) -> Server:
    from sftkeras.serving.grpc_server import GrpcOptions
    from sftkeras.serving.rest_server import RestOptions
    from sftkeras.serving.server import Server

    grpc = rest = None
    if config.port is not None:
        grpc = GrpcOptions(
            host=config.host,
            port=config.port,
            max_message_bytes=config.max_request_bytes,
            max_requests=config.max_requests,
            certificates=guards.certificates,
            token=guards.token,
            admin_token=guards.admin_token,
            tensor_content=config.enable_serialization_as_tensor_content,
        )
    if config.rest_api_port is not None:
        rest = RestOptions(
            host=config.host,
            port=config.rest_api_port,
            max_body_bytes=config.max_request_bytes,
            max_requests=config.max_requests,
            timeout=config.request_seconds,
            ssl_context=guards.certificates.http_context() if guards.certificates else None,
            token=guards.token,
        )
    return Server(store, batching, grpc=grpc, rest=rest, request_seconds=config.request_seconds)


def _check_available(store: ModelStore) -> None:
    failures = store.failures()
    if len(failures) == len(store.models()):
        raise SFTError("SFT705", problems="; ".join(f"{model}: {failure}" for model, failure in failures.items()))


def _announce(config: ServeConfig, store: ModelStore, ports: Ports, *, tls: bool) -> None:
    for model, versions in store.available().items():
        say(f"Serving {model} {', '.join(map(str, versions))}")
    host = f"[{config.host}]" if ":" in config.host else config.host
    if ports.grpc:
        say(f"gRPC  {host}:{ports.grpc}{' (TLS)' if tls else ''}")
    if ports.rest:
        say(f"REST  {'https' if tls else 'http'}://{host}:{ports.rest}  (a page to try the models is there too)")


if __name__ == "__main__":
    commands.run(main, ServeConfig)
