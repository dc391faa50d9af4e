"""Each image: what it contains, and how it runs as a hardened container."""

import io
import json
import shutil
import socket
import subprocess
import tarfile
from datetime import UTC, datetime, timedelta

import pytest
from api import lists_with
from conftest import FIGURES, IMAGES, REVISION, ROOT, SERVICES, build, image
from engine import HARDENED, container, docker, get, wait_until

IMAGE_BYTES_MAX = 8_000_000
# Half of the time after which the engine kills a container. A busy machine needs a part of it.
STOP_MAX = timedelta(seconds=5)
REQUESTS = 100_000


def config(target):
    return json.loads(docker("inspect", image(target)))[0]["Config"]


def layers(target):
    """The files in all layers."""
    saved = subprocess.run(["docker", "save", image(target)], check=True, capture_output=True, timeout=60).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        for layer in json.load(archive.extractfile("manifest.json"))[0]["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as files:
                yield from files.getmembers()


@pytest.fixture(scope="module", params=SERVICES)
def service(request, images):
    """A healthy container of a service, with the service's name."""
    with container(image(request.param), *HARDENED, "--publish", "127.0.0.1::3000") as running:
        running.name = request.param
        yield running.wait_healthy()


@pytest.mark.parametrize("target", IMAGES)
def test_image_is_small(images, target):
    size = json.loads(docker("inspect", image(target)))[0]["Size"]
    FIGURES.append(f"{target}: image of {size / 1e6:.2f} MB")
    assert size < IMAGE_BYTES_MAX


@pytest.mark.parametrize("target", IMAGES)
def test_image_holds_these_files_and_no_other(images, target):
    found = {(file.name.strip("/"), file.uid, file.gid, oct(file.mode & 0o7777), file.isdir()) for file in layers(target)}
    if target == "alb":
        rules = [(f"deploy/services/{name}.json", 0, 0, "0o644", False) for name in SERVICES]
        directories = [(path, 0, 0, "0o755", True) for path in ["deploy", "deploy/services"]]
        assert found == {("local", 0, 0, "0o755", False), *rules, *directories}
    else:
        data = ("data", 65532, 65532, "0o755", True)
        assert found == {(target, 0, 0, "0o755", False), ("db.json", 0, 0, "0o644", False), data}


@pytest.mark.parametrize("target", IMAGES)
def test_image_says_what_it_is(images, target):
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config(target)["Labels"].items()}
    assert labels == {
        "source": "https://example.org/forum",
        "revision": REVISION,
        "version": "0.1.0",
        "licenses": "MIT OR Apache-2.0",
    }
    assert config(target)["User"] == "65532:65532"


def test_a_change_of_code_builds_no_dependency_again(images, export, tmp_path):
    changed = shutil.copytree(export, tmp_path / "export")
    build(export, "dependencies")
    before = docker("inspect", "--format", "{{.Id}}", image("dependencies"))
    with (changed / "crates" / "common" / "src" / "lib.rs").open("a") as code:
        code.write("// A comment.\n")
    (changed / "crates" / "common" / "src" / "new.rs").write_text("")
    (changed / "services" / "users" / "db.json").write_text('{"users":[]}')
    build(changed, "dependencies")
    after = docker("inspect", "--format", "{{.Id}}", image("dependencies"))
    docker("rmi", "--no-prune", image("dependencies"))
    assert before == after


def test_serves_its_routes(service):
    address, collection = service.address(3000), f"/api/{service.name}"
    seeds = json.loads((ROOT / "services" / service.name / "db.json").read_text())[service.name]
    status, records = get(address, collection)
    assert (status, len(records)) == (200, len(seeds))
    assert get(address, f"{collection}/1") == (200, records[0])
    assert get(address, f"{collection}/999999")[0] == 404
    lists = lists_with(address, service.name, records[0])
    assert lists
    for target in lists:
        status, matches = get(address, target)
        assert status == 200 and records[0] in matches, target
    assert get(address, "/")[0] == 200
    status, health = get(address, "/health/ready")
    assert (status, health["service"], health["revision"], health["mode"]) == (200, service.name, REVISION, "read-only")


def test_writes_one_line_of_json_per_request(service):
    paths = [f"/api/{service.name}", f"/api/{service.name}/1", f"/api/{service.name}/999999", "/nowhere"] * 25
    for number, path in enumerate(paths):
        get(service.address(3000), path, {"X-Request-Id": f"line-{number}"})
    # A service writes a request's line after the answer, and the engine stores it later still.
    expected = {f"line-{number}": path for number, path in enumerate(paths)}

    def logged():
        return [line for line in service.log() if line.get("requestId") in expected]

    wait_until(lambda: len(logged()) >= len(paths), "every request is logged")
    lines = logged()
    assert {line["requestId"]: line["path"] for line in lines} == expected
    assert len(lines) == len(paths)


def test_memory_after_many_requests(service):
    host, port = service.address(3000).split(":")
    requests, connections = [], 10
    for path in [f"/api/{service.name}/1", f"/api/{service.name}?limit=3"]:
        requests.append(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Request-Id: load\r\n\r\n".encode())
    before = service.resident_bytes()
    sockets = [socket.create_connection((host, int(port)), timeout=10) for _ in range(connections)]
    sizes = [len(whole_answer(sockets[0], request)) for request in requests]
    for number in range((REQUESTS - len(requests)) // connections + 1):
        kind = number % len(requests)
        for connection in sockets:
            connection.sendall(requests[kind])
        for connection in sockets:
            answer = connection.recv(sizes[kind], socket.MSG_WAITALL)
            assert answer.startswith(b"HTTP/1.1 200 ") and len(answer) == sizes[kind]
    after = service.resident_bytes()
    for connection in sockets:
        connection.close()
    FIGURES.append(
        f"{service.name}: {before / 2**20:.1f} MiB resident before, {after / 2**20:.1f} MiB after {REQUESTS:,} requests"
        f" over {connections} connections"
    )
    assert service.inspect()["State"]["OOMKilled"] is False
    assert service.health == "healthy"


def whole_answer(connection, request):
    """Sends a request and reads its whole answer, which must have a Content-Length."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, body = answer.split(b"\r\n\r\n", 1)
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.mark.parametrize("name", SERVICES)
def test_stops_long_before_it_would_be_killed(images, name):
    with container(image(name), *HARDENED, "--publish", "127.0.0.1::3000") as running:
        running.wait_healthy()
        host, port = running.address(3000).split(":")
        # Neither an idle connection nor half a request delays the stop.
        with socket.create_connection((host, int(port))) as idle, socket.create_connection((host, int(port))) as half:
            whole_answer(idle, b"GET / HTTP/1.1\r\nHost: idle\r\n\r\n")
            half.sendall(b"GET / HTTP/1.1\r\nHost: ha")
            asked = datetime.now(UTC)
            docker("stop", "--time", 10, running.id)
        state = running.inspect()["State"]
        took = datetime.fromisoformat(state["FinishedAt"]) - asked
        FIGURES.append(f"{name}: ended {took.total_seconds():.2f} s after docker stop, exit code {state['ExitCode']}")
        assert state["ExitCode"] == 0
        assert took < STOP_MAX, running.output()
        assert running.log()[-1]["message"] == "stopped"
