"""Checks without an emulator: linters, the size of the templates, rendered files."""

import json
import os
import subprocess

import pytest
from conftest import ROOT, SERVICES
from render import rendered, template

TEMPLATES = sorted((ROOT / "deploy").glob("*.yaml"))

# The suppressed checks, with their resources. deploy/README.md shows the same table.
SUPPRESSED = {
    ("CKV_AWS_2", "HttpListener"),
    ("CKV_AWS_91", "LoadBalancer"),
    ("CKV_AWS_103", "HttpListener"),
    ("CKV_AWS_111", "HostRole"),
    ("CKV_AWS_158", "LogGroup"),
    ("CKV_AWS_260", "LoadBalancerSecurityGroup"),
}


def test_cfn_lint_finds_nothing():
    done = subprocess.run(["cfn-lint", *map(str, TEMPLATES)], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "")


def test_checkov_finds_nothing_but_what_is_suppressed_with_a_reason():
    command = [os.environ["CHECKOV"], "--skip-download", "--framework", "cloudformation", "--output", "json"]
    files = [argument for path in TEMPLATES for argument in ("--file", str(path))]
    done = subprocess.run(command + files, capture_output=True, text=True, timeout=300)
    report = json.loads(done.stdout)
    results = report["results"]
    assert [f"{c['check_id']} {c['resource']}" for c in results["failed_checks"]] == []
    assert report["summary"]["passed"] > 50 and not results["parsing_errors"]
    skipped = {(c["check_id"], c["resource"].split(".")[-1]): c["check_result"]["suppress_comment"] for c in results["skipped_checks"]}
    assert skipped.keys() == SUPPRESSED
    assert all(skipped.values())


def test_every_suppression_is_needed_and_in_the_readme():
    written = {
        (skip["id"], logical)
        for path in TEMPLATES
        for logical, resource in template(path)["Resources"].items()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    }
    assert written == SUPPRESSED, "checkov has no such check, or no such finding"
    readme = (ROOT / "deploy" / "README.md").read_text()
    for check, resource in SUPPRESSED:
        assert f"| {check} | `{resource}` |" in readme


def test_shellcheck_finds_nothing():
    scripts = ["push", "up", "down", "lib.sh", "tests/run"]
    done = subprocess.run(
        ["shellcheck", "--external-sources", "--source-path", str(ROOT), *(str(ROOT / "deploy" / s) for s in scripts)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_template_fits_into_a_request(path):
    assert path.stat().st_size <= 51_200


def test_task_definitions_are_what_the_template_and_the_services_say():
    folder = ROOT / "deploy" / "task-definitions"
    expected = rendered()
    assert {path.stem for path in folder.iterdir()} == set(SERVICES)
    stale = [path.name for path, text in expected.items() if path.read_text() != text]
    assert not stale, "render them again: deploy/render.py"


@pytest.mark.parametrize("service", SERVICES)
def test_ecs_takes_the_rendered_task_definition(region, service):
    """Registers the file as `register-task-definition --cli-input-json` does. botocore checks every name and type."""
    values = {
        "<account>": "123456789012",
        "<region>": region.name,
        "<digest>": "0" * 64,
        "<task-role-arn>": "arn:aws:iam::123456789012:role/task",
        "<execution-role-arn>": "arn:aws:iam::123456789012:role/execution",
    }
    text = (ROOT / "deploy" / "task-definitions" / f"{service}.json").read_text()
    for placeholder, value in values.items():
        assert placeholder in text
        text = text.replace(placeholder, value)
    assert "<" not in text, "a placeholder that the documentation does not name"
    registered = region.client("ecs").register_task_definition(**json.loads(text))["taskDefinition"]
    assert registered["containerDefinitions"][0]["readonlyRootFilesystem"] is True
    assert registered["executionRoleArn"] == values["<execution-role-arn>"]
