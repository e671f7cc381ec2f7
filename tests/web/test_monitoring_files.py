"""What is shipped for Prometheus and Grafana: well-formed, tried, and about metrics that exist."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.web.families.family import Kind
from monitor.web.families.table import FAMILIES

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
DASHBOARD = MONITORING / "grafana" / "dashboards" / "position-monitor.json"
promtool = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(promtool is None, reason="there is no promtool on this machine")

EXPORTED = {one.name for one in FAMILIES if one.kind is not Kind.HISTOGRAM} | {
    f"{one.name}_{suffix}"
    for one in FAMILIES
    if one.kind is Kind.HISTOGRAM
    for suffix in ("bucket", "sum", "count")
}
_NAME = re.compile(r"\bposition_monitor_\w+")
_MATCHED = re.compile(r"\b(position_monitor_\w+)\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
# What Prometheus adds to every series.
_ADDED = {"job", "instance"}


def dashboard() -> Any:  # noqa: ANN401 - JSON
    return json.loads(DASHBOARD.read_text())


def expressions() -> Iterator[str]:
    """Yield every expression of panels and variables."""
    found = dashboard()
    for panel in found["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for variable in found["templating"]["list"]:
        yield variable["definition"]


def rules() -> str:
    return (MONITORING / "rules.yml").read_text()


def promtool_says(*arguments: str) -> str:
    assert promtool is not None
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False, cwd=MONITORING)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_every_metric_that_is_asked_for_is_exported() -> None:
    """In alert rules, in their tests, and on the dashboard."""
    used = {name for text in expressions() for name in _NAME.findall(text)}
    assert len(used) > 20
    assert used <= EXPORTED
    asked = {
        name for text in (rules(), (MONITORING / "rules_test.yml").read_text()) for name in _NAME.findall(text)
    }
    assert len(asked) > 10
    assert asked <= EXPORTED


def test_every_label_that_is_asked_for_is_one_of_its_metric() -> None:
    """A wrong one would match nothing, and say nothing of it."""
    labels = {one.name: {*one.labels} for one in FAMILIES}
    for text in (*expressions(), rules(), (MONITORING / "rules_test.yml").read_text()):
        for name, matchers in _MATCHED.findall(text):
            family = name if name in labels else re.sub(r"_(bucket|sum|count)$", "", name)
            asked = {*_LABEL.findall(re.sub(r'"[^"]*"', '""', matchers))} - _ADDED - {"le"}
            assert asked <= labels[family], (name, asked)


def test_legends_name_labels_of_what_they_stand_beside() -> None:
    """A legend with a label that is not there shows a hole."""
    labels = {one.name: {*one.labels} for one in FAMILIES}
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            (name,) = {*_NAME.findall(target["expr"])} or {""}
            named = {*re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])}
            assert named <= labels.get(name, set()), target


def test_the_dashboard_asks_the_datasource_that_is_provisioned() -> None:
    """Both files name it alike, and panels have numbers of their own and do not overlap."""
    provisioned = (MONITORING / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text()
    found = dashboard()
    uids = {
        one["datasource"]["uid"] for one in (*found["panels"], *found["templating"]["list"]) if "datasource" in one
    }
    assert len(uids) == 1
    assert f"uid: {uids.pop()}\n" in provisioned
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in found["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_every_alert_has_a_severity_and_says_what_is_wrong() -> None:
    """Whoever routes them needs the one, whoever reads them the other; and each is tried by rules_test.yml."""
    alerts = re.split(r"\n      - alert: ", rules())[1:]
    tried = (MONITORING / "rules_test.yml").read_text()
    assert len(alerts) >= 15
    for text in alerts:
        name = text.split("\n", 1)[0]
        assert "severity: " in text, name
        assert "summary: " in text, name
        assert f"alertname: {name}\n" in tried, name


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    """Their syntax."""
    assert "SUCCESS" in promtool_says("check", "rules", "rules.yml")


@needs_promtool
def test_each_alert_comes_when_it_should_and_not_before() -> None:
    """What rules_test.yml says, tried by promtool."""
    assert "SUCCESS" in promtool_says("test", "rules", "rules_test.yml")


@needs_promtool
def test_promtool_accepts_the_scrape_configuration(tmp_path: Path) -> None:
    """With a token where the composition has it."""
    text = (MONITORING / "prometheus.yml").read_text()
    (tmp_path / "token").write_text("x" * 32)
    (tmp_path / "prometheus.yml").write_text(text.replace("/run/secrets/web-token", str(tmp_path / "token")))
    shutil.copy(MONITORING / "rules.yml", tmp_path)
    assert "SUCCESS" in promtool_says("check", "config", str(tmp_path / "prometheus.yml"))
