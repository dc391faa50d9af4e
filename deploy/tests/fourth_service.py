"""Adds a fourth service, `tags`, at the places that the README names.

usage: fourth_service.py ROOT    adds it to the copy of the repository in ROOT, at all of them
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parent / "tags"

# Files that list services, with the blocks that the new service has of its own (a block is a line and what is indented
# below it or follows it without an empty line) and the lists that its name joins.
BLOCKS = {
    "deploy/registry.yaml": ["  Users:", "  UsersRepository:"],
    "docker/Dockerfile": ["FROM service AS users"],
    "docker/docker-bake.hcl": ['target "users"'],
    "docker/compose.yaml": ["  users:\n", "  users: {internal"],
    "docker/compose.writable.yaml": ["  users:\n", "  users: {}", "  users: {file"],
}
LISTS = {
    "docker/docker-bake.hcl": [('targets = ["users"', 'targets = ["users", "tags"')],
    "docker/compose.yaml": [
        ("command: [", 'command: [--target, "tags=tags:3000", '),
        ("networks: [front, ", "networks: [front, tags, "),
        ("depends_on: [", "depends_on: [tags, "),
    ],
}


def tags(text):
    """The text of users, for tags."""
    return text.replace("users", "tags").replace("Users", "Tags")


def add(root, place):
    """Gives the place the fourth service."""
    path = root / place.replace("NAME", "tags")
    if place == "services/NAME/":
        shutil.copytree(SOURCES, path, ignore=lambda *_: ["tag.rs"])
    elif place == "crates/common/src/":
        shutil.copy(SOURCES / "tag.rs", path)
        library = path / "lib.rs"
        library.write_text(library.read_text() + "mod tag;\npub use tag::{Tag, TagId};\n")
    elif place == "deploy/services/NAME.json":
        text = (path.parent / "users.json").read_text()
        path.write_text(tags(text).replace('"RulePriority": "10"', '"RulePriority": "40"'))
    elif place == "deploy/task-definitions/NAME.json":
        subprocess.run([sys.executable, root / "deploy" / "render.py"], check=True, stdout=subprocess.DEVNULL)
    else:
        text = path.read_text()
        for begin in BLOCKS[place]:
            block = re.search(rf"^{re.escape(begin)}.*?(?=\n\n|\n  \w|\Z)", text, re.MULTILINE | re.DOTALL)[0]
            separator = "\n\n" if place.startswith("docker/Docker") or place.endswith(".hcl") else "\n"
            text = text.replace(block, block + separator + tags(block), 1)
        for before, after in LISTS.get(place, []):
            assert before in text
            text = text.replace(before, after, 1)
        path.write_text(text)


if __name__ == "__main__":
    from test_lists import PLACES

    for name in PLACES:
        add(Path(sys.argv[1]), name)
