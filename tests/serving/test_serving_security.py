"""Only who may gets an answer: TLS, mutual TLS, tokens."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from certificates import Authority
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from http2_calls import http2_call
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from tiny_served import ADMIN, RunningServer, admin_token, predict_request, refusal, wait_until

from sftkeras.errors import SFTError
from sftkeras.serving.grpc_server import GrpcOptions
from sftkeras.serving.security import Certificates, Token

SECRET = "0123456789abcdef-0"
OLD = "an-older-secret-of-some-length"
REQUEST = predict_request({"text": ["abc"]})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def server_files(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("server")


@pytest.fixture
def token(tmp_path: Path) -> Token:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n\n{OLD}\n")
    return Token(file)


def secure(server: RunningServer, ca: Authority, client: tuple[Path, Path] | None = None) -> grpc.Channel:
    chain, key = (None, None) if client is None else (client[0].read_bytes(), client[1].read_bytes())
    credentials = grpc.ssl_channel_credentials(ca.certificate.read_bytes(), key, chain)
    return grpc.secure_channel(server.address, credentials)


def is_answered(channel: grpc.Channel, metadata: list[tuple[str, str]] | None = None) -> bool:
    with channel:
        call = PredictionServiceStub(channel).Predict.future(REQUEST, metadata=metadata, timeout=300)
        code = call.code()
    assert code in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED), call.details()
    return code == grpc.StatusCode.OK


def test_tls_lets_in_who_trusts_it(models: Path, authority: Authority, server_files: tuple[Path, Path]) -> None:
    options = GrpcOptions(port=0, certificates=Certificates(*server_files))
    with RunningServer(models, grpc_options=options) as server:
        assert is_answered(secure(server, authority))
        assert not is_answered(grpc.insecure_channel(server.address))


def test_mutual_tls_lets_in_who_has_a_certificate_of_the_authority(
    models: Path, tmp_path: Path, authority: Authority, server_files: tuple[Path, Path]
) -> None:
    stranger = Authority.make(tmp_path / "stranger")
    options = GrpcOptions(port=0, certificates=Certificates(*server_files, client_ca=authority.certificate))
    with RunningServer(models, grpc_options=options) as server:
        assert is_answered(secure(server, authority, authority.issue("client")))
        assert not is_answered(secure(server, authority))
        assert not is_answered(secure(server, authority, stranger.issue("client")))


def test_a_server_that_fell_is_replaced_by_one_as_safe(
    models: Path, authority: Authority, server_files: tuple[Path, Path], token: Token, caplog: pytest.LogCaptureFixture
) -> None:
    options = GrpcOptions(port=0, certificates=Certificates(*server_files), token=token)
    shown = [("authorization", f"Bearer {SECRET}")]
    with RunningServer(models, grpc_options=options) as server:
        assert is_answered(secure(server, authority), shown)
        send_a_method_that_is_not_utf_8(server, authority, until=lambda: "fell and is replaced" in caplog.text)
        wait_until(lambda: is_answered(secure(server, authority), shown))  # as in test_grpc_fuzz.py
        assert not is_answered(secure(server, authority))
        assert not is_answered(grpc.insecure_channel(server.address), shown)


def send_a_method_that_is_not_utf_8(server: RunningServer, authority: Authority, *, until: Callable[[], bool]) -> None:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=300) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(http2_call(b"", path=b"/\xe6"))
        wait_until(until)


def reload(server: RunningServer, secret: str | None = None) -> tuple[grpc.StatusCode, str]:
    """What is said to a caller who would replace the config by one that no server takes."""
    metadata = [("authorization", f"Bearer {secret}")] if secret else []
    request = ReloadConfigRequest()
    request.config.custom_model_config.SetInParent()
    return refusal(lambda: server.models.HandleReloadConfigRequest(request, metadata=metadata))


def test_nobody_replaces_the_config_unless_there_is_an_admin_token(models: Path, token: Token) -> None:
    with RunningServer(models, grpc_options=GrpcOptions(port=0, token=token)) as server:
        for secret in (None, SECRET):
            code, message = reload(server, secret)
            assert code == grpc.StatusCode.PERMISSION_DENIED
            assert "--admin_token_file" in message


def test_the_admin_token_opens_the_config_alone_and_the_other_one_all_but_that(models: Path, token: Token) -> None:
    options = GrpcOptions(port=0, token=token, admin_token=admin_token())
    with RunningServer(models, grpc_options=options) as server:
        refused = grpc.StatusCode.UNAUTHENTICATED, "missing or wrong admin token (authorization: Bearer …)"
        assert reload(server) == reload(server, SECRET) == refused
        assert reload(server, ADMIN)[0] == grpc.StatusCode.INVALID_ARGUMENT
        assert is_answered(grpc.insecure_channel(server.address), [("authorization", f"Bearer {SECRET}")])
        assert not is_answered(grpc.insecure_channel(server.address), [("authorization", f"Bearer {ADMIN}")])


@pytest.fixture
def guarded(models: Path, token: Token) -> Iterator[RunningServer]:
    with RunningServer(models, grpc_options=GrpcOptions(port=0, token=token)) as server:
        yield server


def test_a_token_is_asked_for(guarded: RunningServer) -> None:
    def ask(*metadata: tuple[str, str]) -> bool:
        return is_answered(grpc.insecure_channel(guarded.address), list(metadata))

    assert ask(("authorization", f"Bearer {SECRET}"))
    assert ask(("authorization", f"bearer {OLD}"))
    assert not ask()
    assert not ask(("authorization", f"Bearer {SECRET}x"))
    assert not ask(("authorization", f"Basic {SECRET}"))
    assert not ask(("authorization", SECRET))


def test_every_service_but_health_asks_for_the_token(guarded: RunningServer) -> None:
    denied = grpc.StatusCode.UNAUTHENTICATED
    assert refusal(lambda: guarded.states())[0] == denied
    assert refusal(lambda: ProtoReflectionDescriptorDatabase(guarded.channel).get_services())[0] == denied
    answer = HealthStub(guarded.channel).Check(HealthCheckRequest(service="tensorflow.serving.PredictionService"))
    assert answer.status == HealthCheckResponse.SERVING


def test_who_watches_the_health_is_told_and_does_not_keep_the_server(models: Path) -> None:
    with RunningServer(models, drain_seconds=600) as server:
        watch = HealthStub(server.channel).Watch(HealthCheckRequest(service=""))
        assert next(watch).status == HealthCheckResponse.SERVING
        began = time.monotonic()
        server.close()
        assert time.monotonic() - began < 300
        assert next(watch).status == HealthCheckResponse.NOT_SERVING


def test_reflection_lists_the_services(server: RunningServer) -> None:
    names = ProtoReflectionDescriptorDatabase(server.channel).get_services()
    assert {"tensorflow.serving.PredictionService", "tensorflow.serving.ModelService", "grpc.health.v1.Health"} <= {
        *names
    }


@pytest.mark.parametrize("content", ["", "\n \n", "short\n", f"{SECRET}\nshort\n"])
def test_a_token_file_without_a_good_secret_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    with pytest.raises(SFTError, match="SFT703"):
        Token(tmp_path / "token")


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SFTError, match=r"SFT703  .*/token: cannot be used \(No such file"):
        Token(tmp_path / "token")


def test_files_that_are_no_certificates_are_named(tmp_path: Path, server_files: tuple[Path, Path]) -> None:
    certificate, key = server_files
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no PEM")
    for files in ((certificate, certificate), (wrong, key), (tmp_path / "none", key)):
        with pytest.raises(SFTError, match="SFT703"):
            Certificates(*files).grpc_credentials()
    with pytest.raises(SFTError, match=r"SFT703  .*wrong\.pem"):
        Certificates(certificate, key, wrong).http_context()
