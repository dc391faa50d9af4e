"""One table of paths, through the rules as the emulator has them. The local load balancer's tests read the same table.

paths.json: `target` is the service that answers, `root` and `api` are the fixed responses of `/` and of `/api`, and
`default` is the listener's default action. A path stands there as a client sends it, without a query.
"""

import json
import re
from pathlib import Path

import pytest
from conftest import SERVICES

PATHS = json.loads((Path(__file__).parent / "paths.json").read_text())


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
    assert {entry["path"]: route(entry["path"]) for entry in PATHS} == {entry["path"]: entry["target"] for entry in PATHS}


def test_the_table_knows_every_target():
    assert {entry["target"] for entry in PATHS} == {*SERVICES, "root", "api", "default"}
    assert len({entry["path"] for entry in PATHS}) == len(PATHS)
