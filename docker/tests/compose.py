"""Runs the composed system with the images under test, as a project and on a port of its own."""

import json
import os
import shutil

from conftest import IMAGES, ROOT, SERVICES, image
from engine import Container, get, run, wait_until

# Version 1 if it is installed, as on Debian, and otherwise the plugin.
COMPOSE = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]


class Composed:
    """A context manager: the system runs inside the `with` block."""

    def __init__(self, directory, *files, environment=None):
        override = directory / "images.json"
        override.write_text(json.dumps({"services": {target: {"image": image(target)} for target in IMAGES}}))
        self.files = [ROOT / "docker" / "compose.yaml", *files, override]
        # With port 0 the engine chooses a free port.
        self.environment = os.environ | {"ALB_PORT": "0"} | (environment or {})
        self.project = directory.name.replace("_", "-")

    def compose(self, *arguments):
        files = [word for file in self.files for word in ("--file", file)]
        command = [*COMPOSE, "--project-name", self.project, *files, *arguments]
        return run(*command, env=self.environment).stdout.strip()

    def __enter__(self):
        try:
            self.compose("up", "--detach", "--no-build")
            self.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.compose("down", "--volumes", "--timeout", "5")

    def wait_ready(self):
        """Waits until every service answers through the load balancer."""
        for target in IMAGES:
            self.container(target).wait_healthy()
        for service in SERVICES:
            wait_until(lambda: get(self.address, f"/api/{service}")[0] == 200, f"{service} behind the load balancer")

    @property
    def address(self):
        """The address of the load balancer."""
        return self.container("alb").address(80)

    def container(self, service):
        return Container(self.compose("ps", "--quiet", service).splitlines()[0])
