"""Models come, change and go while the server answers."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.inference_pb2 import InferenceTask, MultiInferenceRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.prediction_log_pb2 import (
    ClassifyLog,
    MultiInferenceLog,
    PredictionLog,
    PredictLog,
    RegressLog,
    SessionRunLog,
)
from tensorflow_serving.apis.regression_pb2 import RegressionRequest
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig
from test_serving_examples import examples
from tiny_served import AS_ADMIN, MODEL, RunningServer, model_spec, predict_request, publish, refusal, wait_until

from sftkeras.errors import SFTError
from sftkeras.serving.errors import ServingError
from sftkeras.serving.model_config import find_models, read_model_config, wanted_versions
from sftkeras.serving.warm_up import FILE as WARM_UP

AVAILABLE, UNLOADING, END = ModelVersionStatus.AVAILABLE, ModelVersionStatus.UNLOADING, ModelVersionStatus.END
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
Write = Callable[[float], Path]


def config(models: Path, policy: str = "", labels: dict[str, int] | None = None, name: str = MODEL) -> Any:
    written = f'model_config_list {{ config {{ name: "{name}" base_path: "{models / name}" model_platform: "tensorflow"'
    written += f" model_version_policy {{ {policy} }}" if policy else ""
    for label, version in (labels or {}).items():
        written += f' version_labels {{ key: "{label}" value: {version} }}'
    return written + " } }"


def parsed(text: str) -> ModelServerConfig:
    from google.protobuf import text_format

    return text_format.Parse(text, ModelServerConfig())


def length(server: RunningServer, text: str = "", **spec: Any) -> float:
    return server.predict(text, **spec).outputs["length"].float_val[0]


def test_new_versions_come_and_old_ones_go_without_a_lost_request(models: Path, written: Write) -> None:
    with RunningServer(models) as server:
        answers: list[float] = []
        failures: list[BaseException] = []
        stop = threading.Event()

        def ask() -> None:
            try:
                while not stop.is_set():
                    answers.append(length(server))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(2, 6):
            publish(written(float(number)), models / MODEL, number)
            wait_until(lambda number=number: server.states().get(number) == AVAILABLE)
            shutil.rmtree(models / MODEL / str(number - 1))
        wait_until(lambda: list(server.states().values()) == [AVAILABLE, END, END, END, END])
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert set(answers) == {1, 2, 3, 4, 5}


def test_a_request_ends_on_the_version_it_began_with(models: Path, written: Write) -> None:
    with RunningServer(models) as server:
        slow = predict_request({"steps": [1500]}, dtype=tf.int32, signature="slow")
        running = server.prediction.Predict.future(slow, timeout=300)
        wait_until(lambda: any(it.users for it in server.store._models[MODEL].values()))
        publish(written(2.0), models / MODEL, 2)
        wait_until(lambda: server.states() == {2: AVAILABLE, 1: UNLOADING})
        assert not running.done()
        assert length(server) == 2
        assert running.result().model_spec.version.value == 1
        wait_until(lambda: server.states() == {2: AVAILABLE, 1: END})


def test_a_broken_version_is_told_and_the_old_one_stays(models: Path, written: Write) -> None:
    with RunningServer(models) as server:
        publish(written(2.0), models / MODEL, 2)
        broken = publish(written(3.0), models / MODEL, 4)
        wait_until(lambda: server.states().get(4) == AVAILABLE)
        shutil.rmtree(broken)
        wait_until(lambda: server.states().get(2) == AVAILABLE)
        broken = publish(_without_variables(written(3.0), models), models / MODEL, 3)
        wait_until(lambda: server.states().get(3) == END)
        response = server.models.GetModelStatus(GetModelStatusRequest(model_spec=model_spec(version=3)))
        assert response.model_version_status[0].status.error_code == PRECONDITION.value[0]
        assert response.model_version_status[0].status.error_message
        assert length(server) == 2
        # Mended, it is tried again.
        shutil.copytree(written(3.0) / "variables", broken / "variables", dirs_exist_ok=True)
        wait_until(lambda: server.states().get(3) == AVAILABLE)
        assert length(server) == 3


def _without_variables(version: Path, folder: Path) -> Path:
    copy = folder / ".broken"
    shutil.copytree(version, copy)
    for file in (copy / "variables").iterdir():
        file.unlink()
    return copy


def test_a_folder_that_is_being_copied_is_left_alone(models: Path, written: Write, monkeypatch: Any) -> None:
    from sftkeras.serving import version_folders

    with RunningServer(models) as server:
        monkeypatch.setattr(version_folders, "_SETTLED_SECONDS", 3600)  # however long the copying takes
        copied = models / MODEL / "2"
        copied.mkdir()
        for file in sorted(written(2.0).rglob("*"), reverse=True):  # the graph first
            if file.is_file():
                target = copied / file.relative_to(written(2.0))
                target.parent.mkdir(exist_ok=True)
                shutil.copy(file, target)
                time.sleep(0.2)
                assert 2 not in server.states()
        monkeypatch.setattr(version_folders, "_SETTLED_SECONDS", 0.4)
        wait_until(lambda: server.states().get(2) == AVAILABLE)


def test_models_come_and_go(models: Path, written: Write) -> None:
    with RunningServer(models) as server:
        publish(written(7.0), models / "another", 1)
        wait_until(lambda: "another" in server.store.available())
        assert length(server, name="another") == 7
        shutil.rmtree(models / "another")
        wait_until(lambda: "another" not in server.store.available())
        assert length(server) == 1


def test_a_folder_that_is_away_for_a_while_changes_nothing(models: Path) -> None:
    with RunningServer(lambda: parsed(config(models))) as server:
        models.rename(models.with_name("away"))
        time.sleep(0.3)
        assert length(server) == 1
        models.with_name("away").rename(models)


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ("", {12}),
        ("latest { num_versions: 2 }", {12, 3}),
        ("all {}", {1, 3, 12}),
        ("specific { versions: 1 versions: 3 versions: 99 }", {1, 3}),
    ],
)
def test_a_policy_chooses_versions(models: Path, policy: str, wanted: set[int]) -> None:
    (model,) = parsed(config(models, policy)).model_config_list.config
    assert wanted_versions({1, 3, 12}, model.model_version_policy) == wanted


def test_versions_and_labels_are_asked_by_name(models: Path, written: Write) -> None:
    publish(written(2.0), models / MODEL, 2)
    labels = {"stable": 1, "canary": 2}
    with RunningServer(lambda: parsed(config(models, "all {}", labels))) as server:
        assert length(server) == length(server, label="canary") == length(server, version=2) == 2
        assert length(server, label="stable") == length(server, version=1) == 1
        response = server.predict("", label="stable")
        assert response.model_spec == model_spec(signature="serving_default", version=1)


def reload(server: RunningServer, text: str) -> object:
    request = ReloadConfigRequest(config=parsed(text))
    return server.models.HandleReloadConfigRequest(request, timeout=300, metadata=AS_ADMIN)


def test_a_reload_moves_labels_but_only_to_available_versions(models: Path, written: Write) -> None:
    publish(written(2.0), models / MODEL, 2)
    with RunningServer(lambda: parsed(config(models, "all {}", {"stable": 1}))) as server:
        reload(server, config(models, "all {}", {"stable": 2}))
        assert length(server, label="stable") == 2
        message = "Request to assign label to version 9 of model tiny, which is not currently available for inference"
        assert refusal(lambda: reload(server, config(models, "all {}", {"stable": 9}))) == (PRECONDITION, message)
        assert length(server, label="stable") == 2


def test_a_new_label_may_name_a_version_to_come_where_that_is_allowed(models: Path, written: Write) -> None:
    source = parsed(config(models, "all {}", {"next": 2}))
    with pytest.raises(ServingError, match="not currently available"), RunningServer(lambda: source):
        pass
    with RunningServer(lambda: source, labels_for_unavailable=True) as server:
        assert refusal(lambda: length(server, label="next")) == (
            grpc.StatusCode.NOT_FOUND,
            "Servable not found for request: Specific(tiny, 2)",
        )
        publish(written(2.0), models / MODEL, 2)
        wait_until(lambda: 2 in server.store.available()[MODEL])
        assert length(server, label="next") == 2


def test_a_reload_brings_models_and_takes_them_away(models: Path, written: Write) -> None:
    publish(written(7.0), models / "another", 1)
    with RunningServer(lambda: parsed(config(models))) as server:
        reload(server, config(models, name="another"))
        assert length(server, name="another") == 7
        assert refusal(lambda: length(server))[1] == "Servable not found for request: Latest(tiny)"
        code, message = refusal(lambda: reload(server, config(models, name="missing")))
        assert code == grpc.StatusCode.UNKNOWN
        assert message.startswith("1 model(s) did not become available: {{missing due to error:")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('model_config_list { config { name: "a" base_path: "rel" model_platform: "tensorflow" } }', "absolute path"),
        (
            'model_config_list { config { name: "a" base_path: "/a" model_platform: "tensorflow" } '
            'config { name: "a" base_path: "/b" model_platform: "tensorflow" } }',
            "Illegal to list model a multiple times",
        ),
        ('model_config_list { config { name: "a" base_path: "/a" model_platform: "other" } }', "unsupported platform"),
        ('model_config_list {\n config { nam: "a" } }', "line 2 column 11"),
    ],
)
def test_a_wrong_config_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "models.config"
    file.write_text(text)
    with pytest.raises(SFTError, match=message) as refused:
        read_model_config(file)
    assert refused.value.code == "SFT702"


def test_a_changed_config_file_is_followed_and_a_broken_one_is_not(models: Path, written: Write) -> None:
    publish(written(2.0), models / MODEL, 2)
    file = models / "models.config"
    file.write_text(config(models, "specific { versions: 1 }"))
    with RunningServer(lambda: read_model_config(file)) as server:
        assert length(server) == 1
        for broken in ("nonsense", ""):
            file.write_text(broken)
            time.sleep(0.2)
            assert length(server) == 1
        file.write_text(config(models))
        wait_until(lambda: length(server) == 2)


def test_status_tells_of_all_versions_or_of_one(models: Path) -> None:
    with RunningServer(models) as server:

        def status(**spec: Any) -> object:
            return server.models.GetModelStatus(GetModelStatusRequest(model_spec=model_spec(**spec)))

        assert [(it.version, it.state) for it in status().model_version_status] == [(1, AVAILABLE)]  # type: ignore[attr-defined]
        not_found = grpc.StatusCode.NOT_FOUND
        assert refusal(lambda: status(version=3)) == (not_found, "Could not find version 3 of model tiny")
        assert refusal(lambda: status(name="other")) == (not_found, "Could not find any versions of model other")
        empty = GetModelStatusRequest()
        assert refusal(lambda: server.models.GetModelStatus(empty))[1] == "Missing ModelSpec"


def test_one_models_folder_is_a_model_too(models: Path) -> None:
    (model,) = find_models(models / MODEL).model_config_list.config
    assert (model.name, model.base_path) == (MODEL, str(models / MODEL))


# Warm-up.


def logs() -> list[PredictionLog]:
    """One of each kind that a server can meet."""
    classify = ClassificationRequest(model_spec=model_spec(signature="classify"), input=examples("a"))
    regress = RegressionRequest(model_spec=model_spec(signature="regress"), input=examples("a"))
    task = InferenceTask(model_spec=model_spec(signature="classify"), method_name=tf.saved_model.CLASSIFY_METHOD_NAME)
    multi = MultiInferenceRequest(tasks=[task], input=examples("a"))
    return [
        PredictionLog(predict_log=PredictLog(request=predict_request({"text": ["a"]}))),
        PredictionLog(classify_log=ClassifyLog(request=classify)),
        PredictionLog(regress_log=RegressLog(request=regress)),
        PredictionLog(multi_inference_log=MultiInferenceLog(request=multi)),
    ]


def write_warm_up(version: Path, records: list[bytes]) -> None:
    (version / WARM_UP).parent.mkdir()
    with tf.io.TFRecordWriter(str(version / WARM_UP)) as writer:
        for record in records:
            writer.write(record)


def test_warm_up_requests_of_every_kind_are_replayed(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_warm_up(models / MODEL / "1", [log.SerializeToString() for log in logs()])
    caplog.set_level("INFO", "sftkeras")
    with RunningServer(models):
        pass
    assert "4 warm-up requests" in caplog.text


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([b"\xff\xff"], "Failed to parse warmup record 1"),
        (
            [PredictionLog(predict_log=PredictLog(request=predict_request({"text": ["boom"]}))).SerializeToString()],
            "boom",
        ),
        ([PredictionLog(session_run_log=SessionRunLog()).SerializeToString()], "Unsupported log_type for warmup"),
        ([b""] * 1001, "Number of warmup records exceeds the maximum"),
    ],
)
def test_a_version_that_fails_its_warm_up_is_not_served(models: Path, records: list[bytes], message: str) -> None:
    write_warm_up(models / MODEL / "1", records)
    with RunningServer(models) as server:
        assert message in server.store.failures()[MODEL]


def test_a_model_that_reaches_for_files_is_not_served(models: Path, tmp_path: Path) -> None:
    class Reads(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def read(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"content": tf.io.read_file(text[0])[None]}

    module = Reads()
    tf.saved_model.save(module, str(tmp_path / "reads"), signatures=module.read)
    os.rename(tmp_path / "reads", models / MODEL / "2")
    with RunningServer(models) as server:
        assert "runs the operation ReadFile; a model may use only" in server.store.failures()[MODEL]
