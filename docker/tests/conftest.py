"""Shared by the tests: an export of the checkout, the images built from it, and figures to print at the end."""

import json
from pathlib import Path

import pytest
from engine import docker, run

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.stem for path in (ROOT / "deploy" / "services").glob("*.json"))
IMAGES = [*SERVICES, "alb"]

# A constant instead of the checkout's revision, so that the same sources give the same images.
REVISION = "0000000000000000000000000000000000000000"

FIGURES = []


def topology(service):
    return json.loads((ROOT / "deploy" / "services" / f"{service}.json").read_text())["Parameters"]


def image(target):
    return f"forum-test/{target}"


def pytest_terminal_summary(terminalreporter):
    if FIGURES:
        terminalreporter.section("figures")
    for figure in FIGURES:
        terminalreporter.write_line(figure)


def pytest_sessionfinish():
    """Removes the names of this run's images. The layers stay as the cache of the next run."""
    names = [image(target) for target in IMAGES if docker("images", "--quiet", image(target))]
    if names:
        docker("rmi", "--no-prune", *names)


def build(directory, target, *options):
    """Builds one image. Returns the engine's output."""
    arguments = ["--progress", "plain", "--target", target, "--tag", image(target), "--file", "docker/Dockerfile"]
    return run("docker", "build", *arguments, *options, ".", cwd=directory).stderr


@pytest.fixture(scope="session")
def export(tmp_path_factory):
    """A copy of the tracked files as they are now, without history."""
    directory = tmp_path_factory.mktemp("export")
    changed = run("git", "stash", "create", cwd=ROOT).stdout.strip()
    archive = directory.with_suffix(".tar")
    run("git", "archive", "--output", archive, changed or "HEAD", cwd=ROOT)
    run("tar", "--extract", "--file", archive, "--directory", directory)
    return directory


@pytest.fixture(scope="session")
def images(export):
    """Builds all images from the export. Returns the engine's output by image."""
    options = ["--build-arg", f"REVISION={REVISION}", "--build-arg", "SOURCE=https://example.org/forum"]
    return {target: build(export, target, *options) for target in IMAGES}
