"""A service stands in several lists; they agree, and a fourth service needs exactly the places that the README names."""

import json
import re

import pytest
from conftest import ROOT, copy_of_the_repository, commit, git
from render import template


def identifier(name):
    return "".join(part.capitalize() for part in name.split("-"))


def folders(root):
    return {path.name for path in (root / "services").iterdir() if (path / "Cargo.toml").exists()}


def files(root, folder):
    return {path.stem for path in (root / "deploy" / folder).glob("*.json")}


def repositories(root):
    resources = template(root / "deploy" / "registry.yaml")["Resources"]
    for logical, resource in resources.items():
        assert logical == identifier(resource["Properties"]["RepositoryName"])
    return {resource["Properties"]["RepositoryName"] for resource in resources.values()}


def words(path, pattern):
    """What `pattern` finds in the file, but for the load balancer, which is no service."""
    return set(re.findall(pattern, path.read_text(), re.MULTILINE)) - {"alb"}


# Where services are listed: the place as the README names it, and how to read it. {NAME} is the service.
PLACES = {
    "services/{NAME}/": folders,
    "deploy/services/{NAME}.json": lambda root: files(root, "services"),
    "deploy/task-definitions/{NAME}.json": lambda root: files(root, "task-definitions"),
    "deploy/registry.yaml": repositories,
    "docker/Dockerfile": lambda root: words(root / "docker/Dockerfile", r"^FROM scratch AS ([a-z0-9-]+)$"),
    "docker/docker-bake.hcl": lambda root: words(root / "docker/docker-bake.hcl", r'"(\w[a-z0-9-]*)"') & (folders(root) | {"likes"}),
    "docker/compose.yaml": lambda root: set(template(root / "docker/compose.yaml")["services"]) - {"alb"},
}
MODEL = "crates/common/"


def disagreements(root):
    """The places that do not list what the others list."""
    lists = {place: read(root) for place, read in PLACES.items() if "{NAME}" in place or (root / place).exists()}
    everyone = set().union(*lists.values())
    return {place: everyone - found for place, found in lists.items() if found != everyone}


def test_the_lists_agree():
    assert disagreements(ROOT) == {}


def test_no_service_is_called_like_a_part_of_the_cloud():
    assert not files(ROOT, "services") & {"registry", "cluster"}


def test_the_readme_names_exactly_these_places():
    readme = (ROOT / "deploy" / "README.md").read_text()
    section = re.search(r"^## Add a service$(.*?)^## ", readme, re.MULTILINE | re.DOTALL)[1]
    named = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert named == [*(place.replace("{NAME}", "NAME") for place in PLACES), MODEL]


@pytest.fixture
def with_likes(tmp_path):
    """A copy of the repository, and a way to give it a fourth service, place by place."""
    root = copy_of_the_repository(tmp_path / "copy")

    def add(place):
        path = root / place.replace("{NAME}", "likes")
        users = ROOT / place.replace("{NAME}", "users")
        if place == "services/{NAME}/":
            path.mkdir()
            (path / "Cargo.toml").write_text((users / "Cargo.toml").read_text().replace("users", "likes"))
        elif place.endswith(".json"):
            text = users.read_text().replace("users", "likes")
            path.write_text(text.replace('"RulePriority": "10"', '"RulePriority": "40"'))
        elif place == "deploy/registry.yaml":
            block = re.search(r"^  Users:\n(?:    .*\n)+", path.read_text(), re.MULTILINE)[0]
            likes = block.replace("Users", "Likes").replace("users", "likes")
            path.write_text(path.read_text().replace("\nOutputs:\n", f"{likes}\nOutputs:\n"))
        elif place == "docker/Dockerfile":
            path.write_text(path.read_text() + "\nFROM scratch AS likes\n")
        elif place == "docker/docker-bake.hcl":
            path.write_text(path.read_text() + '\ntarget "likes" {}\n')
        else:
            path.write_text(path.read_text().replace("\nservices:\n", "\nservices:\n  likes: {}\n"))

    return root, add


def test_a_fourth_service_is_missed_everywhere_until_it_is_everywhere(with_likes):
    root, add = with_likes
    places = [place for place in PLACES if "{NAME}" in place or (root / place).exists()]
    for number, place in enumerate(places, start=1):
        add(place)
        assert disagreements(root) == {left: {"likes"} for left in places[number:]}


def test_a_fourth_service_runs_beside_the_others(with_likes, region, run):
    root, add = with_likes
    for place in ("services/{NAME}/", "deploy/services/{NAME}.json", "deploy/registry.yaml"):
        add(place)
    git(root, "init", "--quiet")
    revision = commit(root)
    region.create("forum-registry", root / "deploy" / "registry.yaml")
    region.put_image("likes", revision)
    region.create("forum-cluster", root / "deploy" / "cluster.yaml", {"Name": "forum"})
    assert run(root, "up", "--yes", "likes", environment=region.environment()).code == 0
    rules = region.client("elbv2").describe_rules(ListenerArn=region.outputs("forum-cluster")["ListenerArn"])["Rules"]
    (rule,) = [rule for rule in rules if rule["Priority"] == "40"]
    assert rule["Conditions"][0]["PathPatternConfig"]["Values"] == ["/api/likes", "/api/likes/*"]
    assert json.loads((root / "deploy/services/likes.json").read_text())["Parameters"]["Service"] == "likes"
