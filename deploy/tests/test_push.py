"""deploy/push from end to end: a real engine, a real registry with a password, the emulator for the ECR API.

The registry stands in for ECR's own, which no emulator has: moto names it as the address of its repositories, and what is
pushed there is made known to moto as ECR would.
"""

import itertools
import json
import os
import re
import select
import struct
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from types import SimpleNamespace

import bcrypt
import pytest
from conftest import SERVICES, commit, copy_of_the_repository, git
from emulator import ACCOUNT

ENGINE, LOGIN, BUILD, PUSH = 13, 14, 15, 16
PASSWORD = f"{ACCOUNT}-auth-token"

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]


@pytest.fixture(scope="module")
def docker(home):
    """Runs docker with only this test's logins."""

    def docker(*arguments, check=True):
        environment = os.environ | {"DOCKER_CONFIG": str(home / "docker")}
        return subprocess.run(["docker", *arguments], env=environment, check=check, capture_output=True, text=True, timeout=300)

    if docker("version", check=False).returncode:
        if os.environ.get("DEPLOY_TESTS_WITHOUT_DOCKER"):
            pytest.skip("no Docker engine, and DEPLOY_TESTS_WITHOUT_DOCKER says so")
        pytest.fail("no Docker engine answers; start one, or set DEPLOY_TESTS_WITHOUT_DOCKER=1 to go without these tests")
    return docker


def program(text):
    """A small static x86-64 program that prints `text`. An image from scratch can run it."""
    header, code = 64 + 56, 0x2A
    base = 0x400000
    machine = (
        b"\xb8\x01\x00\x00\x00\xbf\x01\x00\x00\x00"  # mov eax, 1 (write); mov edi, 1
        + b"\x48\xbe" + struct.pack("<Q", base + header + code)  # mov rsi, text
        + b"\xba" + struct.pack("<I", len(text)) + b"\x0f\x05"  # mov edx, length; syscall
        + b"\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05"  # mov eax, 60 (exit); xor edi, edi; syscall
    )  # fmt: skip
    body = machine.ljust(code, b"\x90") + text
    size = header + len(body)
    elf = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + header, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return elf + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000) + body


class Registry:
    """A docker-registry on loopback, with ECR's user name and moto's password."""

    def __init__(self, folder, read_only=False):
        self.htpasswd = folder / "htpasswd"
        self.set_password(PASSWORD)
        configuration = {
            "version": 0.1,
            "storage": {
                "filesystem": {"rootdirectory": str(folder / "storage")},
                "maintenance": {"readonly": {"enabled": read_only}},
            },
            "http": {"addr": "127.0.0.1:0"},
            "auth": {"htpasswd": {"realm": "ecr", "path": str(self.htpasswd)}},
        }
        (folder / "config.yml").write_text(json.dumps(configuration))
        self._log = open(folder / "log", "wb")  # noqa: SIM115, closed in stop
        self._process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")], stdout=self._log, stderr=subprocess.STDOUT
        )
        self.host = self._address(folder / "log")

    def _address(self, log):
        """Waits until it logs the address that it has bound."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if found := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text()):
                return found[1]
            assert self._process.poll() is None, log.read_text()
            select.select([], [], [], 0.05)
        raise AssertionError(f"the registry does not say where it listens: {log.read_text()}")

    def set_password(self, password):
        digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()
        self.htpasswd.write_text(f"AWS:{digest}\n")

    def get(self, path):
        """The body of an answer and its digest, or None for a 404."""
        request = urllib.request.Request(f"http://{self.host}/v2/{path}")
        request.add_header("Authorization", "Basic " + b64encode(f"AWS:{PASSWORD}".encode()).decode())
        request.add_header("Accept", "application/vnd.docker.distribution.manifest.v2+json")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.read().decode(), answer.headers.get("Docker-Content-Digest")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def tags(self, service):
        found = self.get(f"{service}/tags/list")
        return json.loads(found[0])["tags"] if found else []

    def stop(self):
        self._process.terminate()
        self._process.wait(timeout=20)
        self._log.close()


@pytest.fixture(scope="module")
def registry(tmp_path_factory, docker):
    registry = Registry(tmp_path_factory.mktemp("registry"))
    yield registry
    registry.stop()


NUMBERS = itertools.count(1)
DOCKERFILE = "".join(
    f'FROM scratch AS {service}\nARG REVISION\nLABEL org.opencontainers.image.revision=$REVISION\nCOPY {service}.bin /{service}\nENTRYPOINT ["/{service}"]\n'
    for service in SERVICES
)


@pytest.fixture
def setup(region, registry, tmp_path, docker):
    """A clone with images that build in a moment, and repositories in the emulator that have the registry's address."""
    # The tests share the registry, but each has its own images and repositories.
    own = f"test{next(NUMBERS)}"
    checkout = copy_of_the_repository(tmp_path / "clone")
    (checkout / "docker").mkdir(exist_ok=True)
    (checkout / "docker" / "Dockerfile").write_text(DOCKERFILE)
    for service in SERVICES:
        (checkout / f"{service}.bin").write_bytes(program(f"{service} {own}\n".encode()))
        (checkout / f"{service}.bin").chmod(0o755)
    (checkout / ".dockerignore").unlink(missing_ok=True)
    git(checkout, "init", "--quiet")
    revision = commit(checkout)
    region.create("forum-registry", checkout / "deploy" / "registry.yaml")

    def serve(host):
        for service in SERVICES:
            region.backend("ecr").repositories[service].uri = f"{host}/{own}/{service}"

    def synchronise():
        for service in SERVICES:
            for tag in registry.tags(f"{own}/{service}"):
                manifest, digest = registry.get(f"{own}/{service}/manifests/{tag}")
                assert region.put_image(service, tag, manifest) == digest

    serve(registry.host)
    yield SimpleNamespace(
        checkout=checkout,
        revision=revision,
        region=region,
        own=own,
        environment=region.environment(),
        registry=registry,
        serve=serve,
        synchronise=synchronise,
        tags=lambda service: registry.tags(f"{own}/{service}"),
        repository=lambda service: f"{registry.host}/{own}/{service}",
    )
    images = docker("image", "ls", "--quiet", "--filter", f"reference={registry.host}/{own}/*").stdout.split()
    docker("image", "rm", "--force", *images, check=False)


def pushed(out):
    """The digests of SERVICE@DIGEST lines, by service."""
    return dict(line.split("@") for line in out.splitlines())


def test_three_images_are_pushed_pulled_back_by_digest_and_run(setup, run, docker):
    """Calls the installed AWS CLI. (Other tests use awscli_server.py.)"""
    first = run(setup.checkout, "push", environment=setup.environment, installed_cli=True)
    assert first.code == 0
    digests = pushed(first.out)
    assert list(digests) == SERVICES
    for service in SERVICES:
        assert setup.tags(service) == [setup.revision]
        assert digests[service] == setup.registry.get(f"{setup.own}/{service}/manifests/{setup.revision}")[1]

        image = f"{setup.repository(service)}@{digests[service]}"
        docker("image", "rm", "--force", f"{setup.repository(service)}:{setup.revision}")
        docker("pull", "--quiet", image)
        assert docker("run", "--rm", "--read-only", image).stdout == f"{service} {setup.own}\n"
        (found,) = json.loads(docker("image", "inspect", image).stdout)
        assert found["Architecture"] == "amd64"
        assert found["Config"]["Labels"]["org.opencontainers.image.revision"] == setup.revision

    # ECR has the images now. The second run finds that without an engine and pushes nothing.
    setup.synchronise()
    second = run(setup.checkout, "push", environment=setup.environment | {"DOCKER_HOST": "unix:///nowhere.sock"})
    assert (second.code, second.out) == (0, first.out)
    assert second.err.count("is there already") == len(SERVICES)

    # `up` takes the lines that `push` prints.
    up = run(setup.checkout, "up", "--yes", "cluster", *first.out.split(), environment=setup.environment)
    assert up.code == 0
    for service in SERVICES:
        assert setup.region.outputs(f"forum-{service}")["Image"] == f"{setup.repository(service)}@{digests[service]}"


def test_a_dirty_tree_is_refused_or_named(setup, run):
    (setup.checkout / "untracked").write_text("x")
    refused = run(setup.checkout, "push", "users", environment=setup.environment)
    assert refused.code == 10 and "uncommitted changes" in refused.err and "deploy/push --dirty" in refused.err
    assert setup.tags("users") == []

    done = run(setup.checkout, "push", "--dirty", "users", environment=setup.environment)
    assert done.code == 0
    (tag,) = setup.tags("users")
    assert re.fullmatch(rf"{setup.revision}-dirty-[0-9a-f]{{12}}", tag)
    assert git(setup.checkout, "status", "--porcelain") == "?? untracked", "the index was touched"
    setup.synchronise()
    again = run(setup.checkout, "push", "--dirty", "users", environment=setup.environment)
    assert again.out == done.out and "is there already" in again.err
    (setup.checkout / "untracked").write_text("y")
    assert run(setup.checkout, "push", "--dirty", "users", environment=setup.environment).code == 0
    assert len(setup.tags("users")) == 2


def test_dry_run_prints_the_commands_and_needs_nothing(setup, run):
    done = run(setup.checkout, "push", "--dry-run", "users", environment={"DOCKER_HOST": "unix:///nowhere.sock"})
    assert done.code == 0
    login, build, push = done.out.splitlines()
    assert login.startswith("aws ecr get-login-password | docker login --username AWS --password-stdin ACCOUNT.dkr.ecr.")
    assert build.startswith("docker build ") and "--target users" in build and f"REVISION={setup.revision}" in build
    assert push == f"docker push ACCOUNT.dkr.ecr.REGION.amazonaws.com/users:{setup.revision}"
    assert setup.tags("users") == []


def test_no_repository_stops_before_anything_is_built(setup, run):
    del setup.region.backend("ecr").repositories["posts"]
    done = run(setup.checkout, "push", environment=setup.environment)
    assert done.code == 11 and "no ECR repository posts" in done.err and "deploy/up registry" in done.err
    assert setup.tags("users") == []


def test_engine_down(setup, run):
    done = run(setup.checkout, "push", environment=setup.environment | {"DOCKER_HOST": "unix:///nowhere.sock"})
    assert done.code == ENGINE and "Docker engine does not answer" in done.err and "start Docker" in done.err


def test_wrong_password(setup, run):
    setup.registry.set_password("another")
    try:
        done = run(setup.checkout, "push", environment=setup.environment)
    finally:
        setup.registry.set_password(PASSWORD)
    assert done.code == LOGIN and f"{setup.registry.host} refuses the login" in done.err
    assert PASSWORD not in done.err + done.out
    assert setup.tags("users") == []


def test_nothing_is_pushed_when_one_does_not_build(setup, run):
    broken = DOCKERFILE.replace(f"COPY {SERVICES[-1]}.bin", "COPY absent.bin")
    (setup.checkout / "docker" / "Dockerfile").write_text(broken)
    commit(setup.checkout, "break one")
    done = run(setup.checkout, "push", environment=setup.environment)
    assert done.code == BUILD and f"the image of {SERVICES[-1]} does not build" in done.err and "nothing was pushed" in done.err
    assert [setup.tags(service) for service in SERVICES] == [[] for _ in SERVICES]


def test_push_refused(setup, run, tmp_path):
    (tmp_path / "refusing").mkdir()
    refusing = Registry(tmp_path / "refusing", read_only=True)
    try:
        setup.serve(refusing.host)
        done = run(setup.checkout, "push", environment=setup.environment)
    finally:
        refusing.stop()
    assert done.code == PUSH and f"the image of {SERVICES[0]} cannot be pushed" in done.err and "run deploy/push again" in done.err
    assert done.out == ""
