"""Shared by the tests: the emulator, the commands as an operator runs them, and a deployed system."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy"))

from emulator import Emulator  # noqa: E402
from render import parameters  # noqa: E402

@pytest.fixture(scope="session")
def emulator():
    emulator = Emulator()
    yield emulator
    emulator.stop()


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A home directory without settings, so that those of whoever runs the tests have no effect."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def cli():
    """A folder with an `aws` that starts fast, because the program is already loaded."""
    # Not under pytest's long paths, because a socket's path is limited to about a hundred bytes.
    folder = Path(tempfile.mkdtemp(prefix="aws"))
    server = subprocess.Popen(
        [sys.executable, Path(__file__).parent / "awscli_server.py", folder], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout.readline() == "ready\n"
    yield folder
    server.terminate()
    server.wait(timeout=60)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def run(home, cli):
    """Runs a command of a checkout with an almost empty environment. Returns exit code, output and messages."""

    def run(checkout, command, *arguments, environment=None, answer="", installed_cli=False):
        path = os.environ["PATH"]
        settings = {
            "PATH": path if installed_cli else f"{cli}:{path}",
            "HOME": str(home),
            "DOCKER_CONFIG": str(home / "docker"),
            # Only the given credentials count, also when the tests run on an EC2 instance.
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        }
        if "DOCKER_HOST" in os.environ:
            settings["DOCKER_HOST"] = os.environ["DOCKER_HOST"]
        done = subprocess.run(
            [str(Path(checkout) / "deploy" / command), *arguments],
            env=settings | (environment or {}),
            input=answer,
            capture_output=True,
            text=True,
            timeout=300,
        )
        print(f"$ deploy/{command} {' '.join(arguments)}\n{done.stdout}{done.stderr}(exit {done.returncode})")
        return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)

    return run


def git(checkout, *arguments):
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", "-C", str(checkout), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def copy_of_the_repository(target):
    """Copies the tracked files as they are in the working tree, without history."""
    names = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def commit(checkout, message="all"):
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", message)
    return git(checkout, "rev-parse", "HEAD")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """A clone of the repository as it is here, with everything committed. Tests must not change it."""
    checkout = copy_of_the_repository(tmp_path_factory.mktemp("checkout"))
    git(checkout, "init", "--quiet")
    commit(checkout)
    return checkout


@pytest.fixture
def region(emulator):
    """An empty region."""
    region = emulator.region("us-east-2")
    yield region
    region.clear()


SERVICES = sorted(path.stem for path in (ROOT / "deploy" / "services").glob("*.json"))


@pytest.fixture
def with_images(region, checkout):
    """A region with the registry and the images of the checkout's revision."""
    region.create("forum-registry", checkout / "deploy" / "registry.yaml")
    revision = git(checkout, "rev-parse", "HEAD")
    for service in SERVICES:
        region.put_image(service, revision)
    return region


@pytest.fixture
def running(with_images, checkout):
    """A region in which the system runs."""
    region = with_images
    region.create("forum-cluster", checkout / "deploy" / "cluster.yaml", {"Name": "forum"})
    outputs = region.outputs("forum-cluster")
    del outputs["Url"]
    for service in SERVICES:
        given = parameters(checkout / "deploy" / "services" / f"{service}.json") | outputs | {"Name": "forum", "Image": region.image(service)}
        region.create(f"forum-{service}", checkout / "deploy" / "service.yaml", given)
    return region


@pytest.fixture(scope="session")
def deployed(emulator, run, checkout):
    """The whole system, deployed in a region of its own as an operator does it. Tests must not change it."""
    region = emulator.region("eu-west-1")
    environment = region.environment()
    assert run(checkout, "up", "--yes", "registry", environment=environment).code == 0
    revision = git(checkout, "rev-parse", "HEAD")
    digests = {service: region.put_image(service, revision) for service in SERVICES}
    first = run(checkout, "up", "--yes", environment=environment)
    assert first.code == 0, first.err
    return SimpleNamespace(region=region, digests=digests, first=first, client=region.client)
