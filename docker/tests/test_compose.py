"""The system of compose.yaml, asked through its load balancer."""

import os
import signal

import pytest
from compose import Composed
from conftest import SERVICES
from engine import docker, get, run, wait_until


@pytest.fixture(scope="module")
def system(images, tmp_path_factory):
    with Composed(tmp_path_factory.mktemp("compose")) as composed:
        yield composed


@pytest.mark.parametrize("service", SERVICES)
def test_answers_through_the_load_balancer(system, service):
    status, records = get(system.address, f"/api/{service}")
    assert status == 200
    assert get(system.address, f"/api/{service}/1") == (200, records[0])


def test_what_is_no_services_is_the_load_balancers(system):
    assert get(system.address, "/") == (200, "Ready to receive requests")
    assert get(system.address, "/api") == (200, "API ready to receive requests")
    assert get(system.address, "/metrics")[0] == 404


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_reaches_another(system, service):
    def reaches(name):
        # Uses the services' own `healthcheck` as the client, because their images have no other.
        networks = system.container(name).inspect()["NetworkSettings"]["Networks"].values()
        tried = [
            run("docker", "exec", "--env", f"HOST={network['IPAddress']}", here.id, f"/{service}", "healthcheck", check=False)
            for network in networks
        ]
        return any(done.returncode == 0 for done in tried)

    here = system.container(service)
    assert reaches(service), "the client cannot tell"
    for other in SERVICES:
        assert other == service or not reaches(other), other


@pytest.mark.parametrize("killed", SERVICES)
def test_a_killed_service_leaves_the_others_untouched_and_returns(system, killed):
    container = system.container(killed)
    others = {name: system.container(name).pid for name in SERVICES if name != killed}
    before = container.pid
    # Killed from the host, because the engine does not restart a container after `docker kill`.
    os.kill(before, signal.SIGKILL)

    def returned():
        for other in others:
            assert get(system.address, f"/api/{other}/1")[0] == 200, other
        return container.pid not in (0, before) and get(system.address, f"/api/{killed}/1")[0] == 200

    wait_until(returned, f"{killed} answers again")
    assert {name: system.container(name).pid for name in others} == others
    assert docker("inspect", "--format", "{{.RestartCount}}", container.id) == "1"


def test_more_containers_of_a_service_share_its_requests(system):
    system.compose("up", "--detach", "--no-build", "--scale", "users=2")

    def served():
        get(system.address, "/api/users/1")
        ids = system.compose("ps", "--quiet", "users").split()
        return len(ids) == 2 and all('"/api/users/1"' in docker("logs", id) for id in ids)

    wait_until(served, "both containers serve")


def test_stops_cleanly(system):
    ids = system.compose("ps", "--quiet").split()
    system.compose("stop")
    assert {id: docker("inspect", "--format", "{{.State.ExitCode}}", id) for id in ids} == dict.fromkeys(ids, "0")
