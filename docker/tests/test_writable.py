"""Writable containers: with a token, on a volume, and refused where writes would be lost."""

import os
import signal

import pytest
from api import example
from compose import Composed
from conftest import ROOT, SERVICES, image
from engine import HARDENED, container, docker, get, request, volume, wait_until

IN_ECS = ["--env", "ECS_CONTAINER_METADATA_URI_V4=http://127.0.0.1:1/v4/task"]
TOKEN = ["--env", "WRITE_TOKEN=a-token-that-is-long-enough-for-a-test"]
ON_VOLUME = ["--env", "DB_PATH=/data/db.json"]


def ends(*options):
    """Runs a users container that must exit by itself. Returns its exit code and output."""
    with container(image("users"), *options) as refused:
        wait_until(lambda: refused.inspect()["State"]["Status"] == "exited", "the container has exited")
        return refused.inspect()["State"]["ExitCode"], refused.output()


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    """A directory with a token for each service, as an operator makes it."""
    directory = tmp_path_factory.mktemp("secrets")
    for service in SERVICES:
        (directory / service).write_text(f"{os.urandom(16).hex()}\n")
        (directory / service).chmod(0o644)
    return directory


@pytest.fixture(scope="module")
def system(images, tokens, tmp_path_factory):
    writable = ROOT / "docker" / "compose.writable.yaml"
    with Composed(tmp_path_factory.mktemp("writable"), writable, environment={"SECRETS_DIR": str(tokens)}) as composed:
        yield composed


def bearer(tokens, service):
    return {"Authorization": f"Bearer {(tokens / service).read_text().strip()}"}


@pytest.mark.parametrize("service", SERVICES)
def test_writes_survive_a_killed_container_and_a_new_one(system, tokens, service):
    collection = f"/api/{service}"
    assert get(system.address, collection) == (200, [])
    record = example(system.address, service)
    assert request(system.address, "POST", collection, record)[0] == 401
    status, first = request(system.address, "POST", collection, record, bearer(tokens, service))
    assert (status, first["id"]) == (201, 1)

    killed = system.container(service)
    before = killed.pid
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: killed.pid not in (0, before) and get(system.address, f"{collection}/1") == (200, first), "it is back")

    docker("kill", killed.id)
    system.compose("rm", "--force", service)
    system.compose("up", "--detach", "--no-build")
    assert system.container(service).id != killed.id
    wait_until(lambda: get(system.address, f"{collection}/1") == (200, first), "a new container has the record")

    assert request(system.address, "DELETE", f"{collection}/1", headers=bearer(tokens, service))[0] == 204
    status, second = request(system.address, "POST", collection, record, bearer(tokens, service))
    assert (status, second["id"]) == (201, 2)


def test_one_services_token_is_no_other_services(system, tokens):
    assert request(system.address, "POST", "/api/threads", example(system.address, "threads"), bearer(tokens, "users"))[0] == 401


def test_in_ecs_a_volume_is_enough(images):
    with volume() as name:
        mount = ["--volume", f"{name}:/data", "--publish", "127.0.0.1::3000"]
        with container(image("users"), *HARDENED, *IN_ECS, *TOKEN, *ON_VOLUME, *mount) as running:
            running.wait_healthy()
            assert get(running.address(3000), "/health/ready")[1]["mode"] == "writable"


def test_in_ecs_without_a_volume_it_refuses_and_names_the_choices(images):
    code, output = ends(*IN_ECS, *TOKEN, *ON_VOLUME)
    assert code == 1
    assert output.splitlines()[-1].startswith("users: /data/db.json would be lost with this ECS task")
    for choice in ["mount a volume", "DB_PATH", "remove the write token"]:
        assert choice in output


def test_a_second_container_on_the_file_refuses(images):
    with volume() as name:
        options = [*HARDENED, *TOKEN, *ON_VOLUME, "--volume", f"{name}:/data"]
        with container(image("users"), *options) as first:
            first.wait_healthy()
            code, output = ends(*options)
        assert code == 1 and "another process writes /data/db.json" in output


def test_without_a_token_writes_are_refused(images):
    with container(image("users"), *HARDENED, "--publish", "127.0.0.1::3000") as running:
        running.wait_healthy()
        assert request(running.address(3000), "POST", "/api/users", {"username": "ada"})[0] == 405
