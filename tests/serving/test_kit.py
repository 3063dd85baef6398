"""The deployment kit in serving/: its files are well formed and agree with one another and with the server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from sftkeras.exporting import server_config
from sftkeras.serving.batching_parameters import read_batching_parameters
from sftkeras.serving.metrics import DEFAULT_PATH, Metrics

ROOT = Path(__file__).parents[2]
KIT = ROOT / "serving"
YAML_FILES = sorted(KIT.rglob("*.yaml"))

_SUFFIXES = r"_(bucket|sum|count|total)$"


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def kubernetes() -> dict[str, Any]:
    return {document["kind"]: document for document in documents(KIT / "kubernetes" / "model-server.yaml")}


def flags(words: list[str]) -> dict[str, str]:
    return dict(word.removeprefix("--").split("=", 1) for word in words)


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.name)
def test_yaml_is_well_formed_and_names_no_key_twice(path: Path) -> None:
    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [self.construct_object(key) for key, _ in node.value]
            assert len(keys) == len(set(keys)), node.start_mark
            return super().construct_mapping(node, deep)

    assert all(yaml.load_all(path.read_text(encoding="utf-8"), Strict))


def expressions() -> Iterator[tuple[str, str]]:
    """The PromQL of the alerts and of the dashboard, each with its name."""
    for group in documents(KIT / "prometheus" / "alerts.yaml")[0]["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in json.loads((KIT / "grafana" / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def known_metrics() -> set[str]:
    page = Metrics().page().decode()
    served = {re.sub(_SUFFIXES, "", line.split()[2]) for line in page.splitlines() if line.startswith("# TYPE")}
    groups = documents(KIT / "prometheus" / "alerts.yaml")[0]["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    return served | recorded | {"up"}


@pytest.mark.parametrize(("name", "expression"), list(expressions()), ids=lambda value: value[:20])
def test_alerts_and_dashboard_ask_for_metrics_that_the_server_has(name: str, expression: str) -> None:
    plain = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(by|on) \([^)]*\)|\b\w+(?= ?\()|group_left", " ", expression)
    named = {re.sub(_SUFFIXES, "", word) for word in re.findall(r":?[a-z][\w:]*_[\w:]*|\bup\b", plain)}
    assert named
    assert named <= known_metrics(), name


def test_every_alert_says_what_happened_and_how_urgent_it_is() -> None:
    for group in documents(KIT / "prometheus" / "alerts.yaml")[0]["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                assert rule["annotations"]["summary"]
                assert rule["labels"]["severity"] in ("page", "ticket")
                assert rule["for"]


def test_compose_reads_what_the_exporter_writes() -> None:
    services = documents(KIT / "compose.yaml")[0]["services"]
    given = flags(services["model-server"]["command"])
    written = {f"{server_config.MOUNT}/{name}" for name in (server_config.MODELS, server_config.BATCHING)}
    assert {given["model_config_file"], given["batching_parameters_file"]} == written
    assert given["monitoring_config_file"] == f"{server_config.MOUNT}/{server_config.MONITORING}"
    assert f"../saved_models:{server_config.MOUNT}:ro" in services["model-server"]["volumes"]
    for service in services.values():
        assert all(str(port).startswith("127.0.0.1:") for port in service["ports"])
        mounts = [volume.split(":")[0] for volume in service.get("volumes", []) if volume.startswith("./")]
        assert all((KIT / mount).exists() for mount in mounts)


def test_prometheus_scrapes_the_servers_path() -> None:
    (job,) = documents(KIT / "prometheus" / "prometheus.yaml")[0]["scrape_configs"]
    assert job["metrics_path"] == DEFAULT_PATH
    assert f'path: "{DEFAULT_PATH}"' in server_config.MONITORING_TEXT
    assert 'up{job="model-server"}' in (KIT / "prometheus" / "alerts.yaml").read_text()
    assert job["job_name"] == "model-server"


def test_kubernetes_configuration_is_what_the_server_reads(tmp_path: Path) -> None:
    files = kubernetes()["ConfigMap"]["data"]
    (model,) = text_format.Parse(files["models.config"], ModelServerConfig()).model_config_list.config
    served = set(model.model_version_policy.specific.versions)
    assert set(model.version_labels.values()) <= served
    assert set(model.version_labels) == {"stable", "canary"}
    (tmp_path / "batching.config").write_text(files["batching.config"])
    batching = read_batching_parameters(tmp_path / "batching.config")
    assert not batching.enable_large_batch_splitting
    assert batching.max_batch_size == 128
    assert f'path: "{DEFAULT_PATH}"' in files["monitoring.config"]


def test_kubernetes_objects_belong_together() -> None:
    found = kubernetes()
    pod = found["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    target = found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", found["Deployment"]["metadata"]["name"])
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    given = flags(container["args"])
    assert ports == {"grpc": int(given["port"]), "http": int(given["rest_api_port"])}
    assert {port["targetPort"] for port in found["Service"]["spec"]["ports"]} == set(ports)
    config = {f"/config/{name}" for name in found["ConfigMap"]["data"]}
    assert {given["model_config_file"], given["batching_parameters_file"], given["monitoring_config_file"]} == config
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] == found["PersistentVolumeClaim"]["metadata"]["name"]
    assert volumes["config"]["configMap"]["name"] == found["ConfigMap"]["metadata"]["name"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == set(volumes)
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"] == f"/v1/models/{model_name(found)}/metadata"


def model_name(found: dict[str, Any]) -> str:
    config = text_format.Parse(found["ConfigMap"]["data"]["models.config"], ModelServerConfig())
    return config.model_config_list.config[0].name


def test_drain_is_shorter_than_the_grace_period() -> None:
    pod = kubernetes()["Deployment"]["spec"]["template"]["spec"]
    seconds = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert seconds * 2 <= pod["terminationGracePeriodSeconds"]


def test_dashboard_can_be_provisioned() -> None:
    dashboard = json.loads((KIT / "grafana" / "dashboard.json").read_text())
    (source,) = documents(KIT / "grafana" / "datasource.yaml")[0]["datasources"]
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["uid"]}
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)
    assert all(panel["title"] and panel["description"] for panel in dashboard["panels"])


def test_front_lets_nothing_but_predictions_through() -> None:
    text = (KIT / "nginx" / "nginx.conf").read_text()
    text = re.sub(r"#.*", "", text)
    assert text.count("{") == text.count("}")
    open_places = [place for place in re.findall(r"location (\S+) \{", text) if not place.startswith("@")]
    assert open_places == ["/v1/", "/tensorflow.serving.PredictionService/", "/"]
    assert "limit_req_status 429" in text
    assert "return 401" in text
