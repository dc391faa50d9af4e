"""Adds a fourth service, `tags`, at the places that README.md names.

usage: fourth_service.py ROOT    adds it to the copy of the repository in ROOT, at all these places
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parent / "tags"

# Files with a block for each service. A block is copied for the new service. It begins with this line and ends at an empty
# line or at the next key.
BLOCKS = {
    "deploy/registry.yaml": ["  Users:", "  UsersRepository:"],
    "docker/Dockerfile": ["FROM service AS users"],
    "docker/docker-bake.hcl": ['target "users"'],
    "docker/compose.yaml": ["  users:\n", "  users: {internal"],
    "docker/compose.writable.yaml": ["  users:\n", "  users: {}", "  users: {file"],
}
# Lists to which the service's name is added: the text before and after.
LISTS = {
    "docker/docker-bake.hcl": [('targets = ["users"', 'targets = ["users", "tags"')],
    "docker/compose.yaml": [
        ("command: [", 'command: [--target, "tags=tags:3000", '),
        ("networks: [front, ", "networks: [front, tags, "),
        ("depends_on: [", "depends_on: [tags, "),
    ],
}


def tags(text):
    """The text with `tags` instead of `users`."""
    return text.replace("users", "tags").replace("Users", "Tags")


def add(root, place):
    """Adds the fourth service at this place."""
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
