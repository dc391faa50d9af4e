"""Runs the AWS CLI for its client, a program named `aws`, and loads the CLI once instead of at each call.

The commands call the CLI some hundred times in these tests, and loading it takes most of the time of a call. The client sends
its arguments, environment, directory and standard streams. A forked child takes them over and runs the CLI.

usage: awscli_server.py FOLDER    makes FOLDER/socket and FOLDER/aws, and prints a line when both exist
"""

import array
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path

CLIENT = """#!{python} -ISB
import array, json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({socket!r})
request = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
server.sendmsg([len(request).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
server.sendall(request)
os._exit(server.recv(1)[0])
"""


def become_the_cli(connection):
    """Runs one call in this process. Returns its exit code."""
    streams = array.array("i")
    head, ancillary, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(3 * streams.itemsize))
    streams.frombytes(ancillary[0][2])
    size, request = int.from_bytes(head, "big"), b""
    while len(request) < size:
        request += connection.recv(size - len(request))
    arguments, environment, directory = json.loads(request)
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
    sys.stdin, sys.stdout, sys.stderr = (open(n, mode) for n, mode in ((0, "r"), (1, "w"), (2, "w")))  # noqa: SIM115
    # The CLI sets this variable to the directory of its own files when it is loaded.
    kept = os.environ["AWS_DATA_PATH"]
    os.environ.clear()
    os.environ.update(environment, AWS_DATA_PATH=kept)
    os.chdir(directory)
    sys.argv = ["aws", *arguments]
    return clidriver.main()


if __name__ == "__main__":
    from awscli import clidriver

    # Loads the customisations and the models of these services, which calls need.
    driver = clidriver.create_clidriver()
    for service in ("cloudformation", "ecr", "ecs", "sts"):
        driver.session.create_client(service, region_name="eu-west-1")

    folder = Path(sys.argv[1])
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.listen()
    client = folder / "aws"
    client.write_text(CLIENT.format(python=sys.executable, socket=str(folder / "socket")))
    client.chmod(0o755)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            code = 255
            try:
                code = become_the_cli(connection)
            except SystemExit as exit:
                code = exit.code
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                connection.sendall(bytes([code or 0]))
                os._exit(0)
        connection.close()
