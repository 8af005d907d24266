"""The alert rules: promtool takes them, the runbook has each, and every metric in them exists."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.config import Settings
from stream.health.catalogue import SPECS, table

DEPLOY = Path(__file__).parents[3] / "deploy"
FOLDER = DEPLOY / "prometheus"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
CASE_FILES = ("rules_test.yml", "rules_week_test.yml")
CASES = [
    case for name in CASE_FILES for case in yaml.safe_load((FOLDER / name).read_text())["tests"]
]
RUNBOOK = (DEPLOY / "RUNBOOK.md").read_text()

PROMTOOL = shutil.which("promtool") or ""
needs_promtool = pytest.mark.skipif(not PROMTOOL, reason="no promtool (apt-get install prometheus)")


def metrics_in(text: str) -> set[str]:
    """The metrics that a text names, whichever of a histogram's series it means."""
    found = set(re.findall(r"\bspendwatch_[a-z_]+", text)) - {"spendwatch_client"}
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def promtool(*words: str) -> None:
    done = subprocess.run(  # noqa: S603  the command is ours
        [PROMTOOL, *words], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_takes_the_rules():
    promtool("check", "rules", "rules.yml")


@needs_promtool
def test_every_rule_fires_when_it_should_and_not_before():
    promtool("test", "rules", *CASE_FILES)


@needs_promtool
def test_promtool_takes_the_example():
    promtool("check", "config", "prometheus.yml")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_what_and_has_its_place_in_the_runbook(rule: dict[str, Any]):
    name = rule["alert"]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["runbook"] == f"deploy/RUNBOOK.md#{name.lower()}"
    assert re.search(rf"^## {name}$", RUNBOOK, re.MULTILINE)


def test_the_runbook_has_no_entry_without_a_rule():
    headings = re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)
    assert headings == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_metrics_that_exist(rule: dict[str, Any]):
    assert metrics_in(rule["expr"]) <= SPECS.keys()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_is_seen_firing_and_silent_in_its_cases(rule: dict[str, Any]):
    cases = [
        case
        for test in CASES
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    ]
    assert any(case.get("exp_alerts") for case in cases)
    assert any(not case.get("exp_alerts") for case in cases)


@pytest.mark.parametrize("page", ["RUNBOOK.md", "METRICS.md", "LOGS.md"])
def test_a_page_names_metrics_that_exist(page: str):
    assert metrics_in((DEPLOY / page).read_text()) <= SPECS.keys()


def test_the_page_of_metrics_is_the_catalogue():
    page = (DEPLOY / "METRICS.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("|")] == list(table())


def test_the_example_scrapes_the_default_port():
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "spendwatch"
    monitoring = Settings().monitoring
    assert job["static_configs"][0]["targets"] == [f"{monitoring.host}:{monitoring.port}"]
