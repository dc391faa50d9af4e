"""The Docker engine, and containers and HTTP on this machine, as the tests use them."""

import http.client
import json
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

# What every container of this project is run with.
HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "32m"]

# For the slowest of what is waited for: a container's first health checks on a busy machine.
PATIENCE_S = 60


def run(*command, check=True, **options):
    """Runs a command; returns what it did, with its output as text."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=1800, **options)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def docker(*arguments, **options):
    return run("docker", *arguments, **options).stdout.strip()


def wait_until(condition, what):
    """Waits for the condition to hold; returns its value."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.05)
    return value


def request(address, method, path, body=None, headers=()):
    """One request on a connection of its own; returns status and body, read as JSON where it says it is that."""
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
    """A container, by its id."""

    def __init__(self, id):
        self.id = id

    def inspect(self):
        return json.loads(docker("inspect", self.id))[0]

    @property
    def pid(self):
        """Of the container's process, on the host."""
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
        """Where a port of it is published."""
        return docker("port", self.id, port).splitlines()[0]

    def output(self):
        done = run("docker", "logs", self.id)
        return done.stdout + done.stderr

    def log(self):
        """What it has logged."""
        return [json.loads(line) for line in run("docker", "logs", self.id).stdout.splitlines()]

    def resident_bytes(self):
        status = Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024


@contextmanager
def container(image, *options, command=()):
    """A container that runs until the end of the block, and is removed then with its anonymous volumes."""
    started = Container(docker("run", "--detach", *options, image, *command))
    try:
        yield started
    finally:
        docker("rm", "--force", "--volumes", started.id)


@contextmanager
def volume():
    """A volume with a name, which outlives containers."""
    name = docker("volume", "create")
    try:
        yield name
    finally:
        docker("volume", "rm", "--force", name)
