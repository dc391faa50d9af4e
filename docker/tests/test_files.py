"""The Dockerfile, the Compose files and the bake file agree with each other and with the workspace."""

import re
import tomllib

import hcl2
import pytest
import yaml
from conftest import IMAGES, ROOT, SERVICES, topology
from engine import run

DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
WRITABLE = yaml.safe_load((ROOT / "docker" / "compose.writable.yaml").read_text())


def manifest(path):
    return tomllib.loads((ROOT / path).read_text())


def argument(name):
    """The default value of a build argument in the Dockerfile."""
    return re.search(rf"^ARG {name}=(.*)$", DOCKERFILE, re.MULTILINE).group(1)


def test_every_list_names_every_service():
    assert sorted(path.name for path in (ROOT / "services").iterdir()) == SERVICES
    stages = re.findall(r"^FROM (?:service|image) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert sorted(stages) == sorted([*IMAGES, "service"])
    assert sorted(COMPOSE["services"]) == sorted(IMAGES)
    assert sorted(WRITABLE["services"]) == SERVICES
    command = COMPOSE["services"]["alb"]["command"]
    assert sorted(command) == sorted(
        ["--target"] * len(SERVICES) + [f"{name}={name}:{topology(name)['ContainerPort']}" for name in SERVICES]
    )


def test_no_two_rules_have_one_priority():
    priorities = {}
    for name in SERVICES:
        priorities.setdefault(int(topology(name)["RulePriority"]), []).append(name)
    for priority, names in priorities.items():
        assert len(names) == 1, f"RulePriority {priority} belongs to {' and to '.join(names)}: each rule needs its own"


def test_bake_builds_what_compose_runs_on_both_platforms():
    bake = hcl2.loads(
        (ROOT / "docker" / "docker-bake.hcl").read_text(),
        serialization_options=hcl2.SerializationOptions(strip_string_quotes=True),
    )
    groups = {name: value for group in bake["group"] for name, value in group.items()}
    targets = {name: value for target in bake["target"] for name, value in target.items()}
    assert sorted(groups["default"]["targets"]) == sorted(IMAGES)
    assert targets["image"]["platforms"] == ["linux/amd64", "linux/arm64"]
    for name in IMAGES:
        assert targets[name]["inherits"] == ["image"]
        assert targets[name]["target"] == name
        assert targets[name]["tags"] == [COMPOSE["services"][name]["image"]]


def test_images_are_built_with_the_workspaces_toolchain_and_version():
    toolchain = manifest("rust-toolchain.toml")["toolchain"]["channel"]
    assert argument("RUST_VERSION") == toolchain
    assert argument("VERSION") == manifest("Cargo.toml")["workspace"]["package"]["version"]


@pytest.mark.parametrize("service", SERVICES)
def test_port_and_memory_are_the_topologys(service):
    composed = COMPOSE["services"][service]
    assert composed["mem_limit"] == f"{topology(service)['Memory']}m"
    assert re.search(rf"^ENV PORT={topology(service)['ContainerPort']} ", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("name", IMAGES)
def test_composed_containers_are_hardened(name):
    composed = COMPOSE["services"][name]
    assert composed["read_only"] is True
    assert composed["cap_drop"] == ["ALL"]
    assert composed["security_opt"] == ["no-new-privileges:true"]


def test_shell_is_clean():
    run("shellcheck", ROOT / "docker" / "tests" / "run")
