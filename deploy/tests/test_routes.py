"""Looks up a table of paths in the emulator's rules. The local load balancer's tests read the same table.

paths.json: `target` is the service that answers, `root` and `api` are the fixed responses of `/` and of `/api`, and
`default` is the listener's default action. A path is written as a client sends it, without a query. A row with NAME in its
path holds for every service: NAME stands for the service's name, in the path and as the target.
"""

import json
import re
from pathlib import Path

import pytest
from conftest import SERVICES

ROWS = json.loads((Path(__file__).parent / "paths.json").read_text())
# The target of each path, for every service.
PATHS = {
    row["path"].replace("NAME", service): row["target"].replace("NAME", service) for row in ROWS for service in SERVICES
}


def matches(pattern, path):
    """Whether an ALB path pattern takes `path`: case-sensitive, `*` is any run of characters, `?` is one, `/` included."""
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, path, re.DOTALL) is not None


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/a*", "/a", True), ("/a*", "/a/b", True), ("/a/*", "/a", False), ("/a/*", "/a/", True), ("/a?", "/a", False),
        ("/a?", "/a/", True), ("/a?", "/abc", False), ("/a.c", "/abc", False), ("/a", "/A", False), ("*", "", True),
    ],
)  # fmt: skip
def test_pattern(pattern, path, expected):
    assert matches(pattern, path) is expected


@pytest.fixture(scope="module")
def route(deployed):
    elb = deployed.client("elbv2")
    rules = elb.describe_rules(ListenerArn=deployed.region.outputs("forum-cluster")["ListenerArn"])["Rules"]
    rules.sort(key=lambda rule: float(rule["Priority"].replace("default", "inf")))
    targets = {deployed.region.resources(f"forum-{service}")["TargetGroup"]: service for service in SERVICES}
    fixed = {"Ready to receive requests": "root", "API ready to receive requests": "api"}

    def route(path):
        for rule in rules:
            if all(any(matches(p, path) for p in c["PathPatternConfig"]["Values"]) for c in rule["Conditions"]):
                (action,) = rule["Actions"]
                if action["Type"] == "forward":
                    return targets[action["TargetGroupArn"]]
                return fixed.get(action["FixedResponseConfig"]["MessageBody"], "default")

    return route


@pytest.mark.xdist_group("deployed")
def test_every_path_reaches_its_target(route):
    assert {path: route(path) for path in PATHS} == PATHS


def test_the_table_knows_every_kind_of_target():
    assert {row["target"] for row in ROWS} == {"NAME", "root", "api", "default"}
    assert len({row["path"] for row in ROWS}) == len(ROWS)
