"""Helpers for the Docker engine, containers and HTTP."""

import http.client
import json
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

# The options with which every container of this project can run.
HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "32m"]

# The longest wait. The slowest event is a container's first passed health check on a busy machine.
PATIENCE_S = 60


def run(*command, check=True, **options):
    """Runs a command. Returns its exit code and its output as text."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=1800, **options)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def docker(*arguments, **options):
    return run("docker", *arguments, **options).stdout.strip()


def wait_until(condition, what):
    """Waits until the condition holds. Returns its value."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.05)
    return value


def request(address, method, path, body=None, headers=()):
    """Sends a request on a connection of its own. Returns the status and the body, which is parsed if it is JSON."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        body = None if body is None else json.dumps(body)
        connection.request(method, path, body, {"Content-Type": "application/json"} | dict(headers))
        answer = connection.getresponse()
        text = answer.read()
        is_json = "json" in answer.headers.get("Content-Type", "")
        return answer.status, json.loads(text) if is_json and text else text.decode()
    finally:
        connection.close()


def get(address, path, headers=()):
    return request(address, "GET", path, headers=headers)


class Container:
    """A container with this id."""

    def __init__(self, id):
        self.id = id

    def inspect(self):
        return json.loads(docker("inspect", self.id))[0]

    @property
    def pid(self):
        """The id of the container's process on the host."""
        return self.inspect()["State"]["Pid"]

    @property
    def health(self):
        return self.inspect()["State"]["Health"]["Status"]

    def wait_healthy(self):
        def healthy():
            state = self.inspect()["State"]
            assert state["Status"] != "exited", f"exit code {state['ExitCode']}\n{self.output()}"
            return state["Health"]["Status"] == "healthy"

        wait_until(healthy, f"container {self.id} healthy")
        return self

    def address(self, port):
        """The address at which a port is published."""
        return docker("port", self.id, port).splitlines()[0]

    def output(self):
        done = run("docker", "logs", self.id)
        return done.stdout + done.stderr

    def log(self):
        """The lines of its log, parsed."""
        return [json.loads(line) for line in run("docker", "logs", self.id).stdout.splitlines()]

    def resident_bytes(self):
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024


@contextmanager
def container(image, *options, command=()):
    """Runs a container until the end of the block. Then removes it and its anonymous volumes."""
    started = Container(docker("run", "--detach", *options, image, *command))
    try:
        yield started
    finally:
        docker("rm", "--force", "--volumes", started.id)


@contextmanager
def volume():
    """A named volume, which stays when its containers are removed."""
    name = docker("volume", "create")
    try:
        yield name
    finally:
        docker("volume", "rm", "--force", name)
