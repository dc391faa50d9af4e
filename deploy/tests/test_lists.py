"""A service stands in several lists; they agree, and a fourth service needs exactly the places that the README names."""

import re

from conftest import ROOT, commit, copy_of_the_repository, git
from render import template


def folders(root):
    return {path.name for path in (root / "services").iterdir() if (path / "Cargo.toml").exists()}


def models(root):
    """Services whose model is there: users for user.rs."""
    return {f"{path.stem}s" for path in (root / "crates/common/src").glob("*.rs")} & (folders(root) | files(root, "services"))


def files(root, folder):
    return {path.stem for path in (root / "deploy" / folder).glob("*.json")}


def repositories(root):
    """Repositories that the outputs name as well."""
    registry = template(root / "deploy/registry.yaml")
    outputs = {output["Value"]["Fn::GetAtt"][0] for output in registry["Outputs"].values()}
    return {r["Properties"]["RepositoryName"] for logical, r in registry["Resources"].items() if logical in outputs}


def stages(root):
    return set(re.findall(r"^FROM service AS (\S+)$", (root / "docker/Dockerfile").read_text(), re.MULTILINE))


def bake_targets(root):
    """Targets that the default group builds, but for the load balancer, which is no service."""
    text = (root / "docker/docker-bake.hcl").read_text()
    group = re.search(r'group "default" \{\s*targets = \[(.*?)\]', text, re.DOTALL)[1]
    return set(re.findall(r'^target "(\S+)"', text, re.MULTILINE)) & set(re.findall(r'"(\S+?)"', group)) - {"alb"}


def composed(root):
    """Containers that the load balancer sends requests to, waits for and shares a network with."""
    compose = template(root / "docker/compose.yaml")
    balancer = compose["services"]["alb"]
    targets = {argument.split("=")[0] for argument in balancer["command"] if "=" in argument}
    return set(compose["services"]) & targets & set(balancer["depends_on"]) & set(balancer["networks"]) & set(compose["networks"])


# Where services are listed, as the README names it, and how to read it. NAME is the service.
PLACES = {
    "services/NAME/": folders,
    "crates/common/src/": models,
    "deploy/services/NAME.json": lambda root: files(root, "services"),
    "deploy/registry.yaml": repositories,
    "deploy/task-definitions/NAME.json": lambda root: files(root, "task-definitions"),
    "docker/Dockerfile": stages,
    "docker/docker-bake.hcl": bake_targets,
    "docker/compose.yaml": composed,
}


def disagreements(root):
    """The places that do not list what the others list."""
    lists = {place: read(root) for place, read in PLACES.items()}
    everyone = set().union(*lists.values())
    return {place: everyone - found for place, found in lists.items() if found != everyone}


def test_the_lists_agree():
    assert disagreements(ROOT) == {}


def test_no_service_is_called_like_a_part_of_the_cloud():
    assert not files(ROOT, "services") & {"registry", "cluster"}


def test_the_readme_names_exactly_these_places():
    section = re.search(r"^## Add a service$(.*?)^## ", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)[1]
    first_cells = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    assert [place for cell in first_cells for place in re.findall(r"`([^`]+)`", cell)] == list(PLACES)


def likes(text):
    return text.replace("users", "likes").replace("Users", "Likes").replace("User", "Like").replace("user", "like")


def add(root, place):
    """Gives the place a fourth service, made from users."""
    if place == "crates/common/src/":
        (root / place / "like.rs").write_text(likes((root / place / "user.rs").read_text()))
        return
    path = root / place.replace("NAME", "likes")
    if place == "services/NAME/":
        path.mkdir()
        (path / "Cargo.toml").write_text(likes((root / "services/users/Cargo.toml").read_text()))
        return
    if place.endswith(".json"):
        text = (root / place.replace("NAME", "users")).read_text()
        path.write_text(likes(text).replace('"RulePriority": "10"', '"RulePriority": "40"'))
        return
    text = path.read_text()
    # A block is a line and what is indented below it or follows it without an empty line.
    for begin in {
        "deploy/registry.yaml": ["  Users:", "  UsersRepository:"],
        "docker/Dockerfile": ["FROM service AS users"],
        "docker/docker-bake.hcl": ['target "users"'],
        "docker/compose.yaml": ["  users:\n", "  users: {internal"],
    }[place]:
        block = re.search(rf"^{re.escape(begin)}.*?(?=\n\n|\n  \w|\Z)", text, re.MULTILINE | re.DOTALL)[0]
        separator = "\n\n" if place.startswith("docker/Docker") or place.endswith(".hcl") else "\n"
        text = text.replace(block, block + separator + likes(block), 1)
    for before, after in {
        "docker/docker-bake.hcl": [('targets = ["users"', 'targets = ["users", "likes"')],
        "docker/compose.yaml": [
            ('command: [', 'command: [--target, "likes=likes:3000", '),
            ("networks: [front, ", "networks: [front, likes, "),
            ("depends_on: [", "depends_on: [likes, "),
        ],
    }.get(place, []):
        assert before in text
        text = text.replace(before, after, 1)
    path.write_text(text)


def test_a_fourth_service_is_missed_everywhere_until_it_is_everywhere(tmp_path):
    root = copy_of_the_repository(tmp_path)
    places = list(PLACES)
    # The model alone says nothing of a service.
    places.sort(key=lambda place: place == "crates/common/src/")
    for number, place in enumerate(places, start=1):
        add(root, place)
        assert disagreements(root) == {left: {"likes"} for left in places[number:]}


def test_a_fourth_service_runs_beside_the_others(tmp_path, region, run):
    root = copy_of_the_repository(tmp_path)
    for place in PLACES:
        add(root, place)
    git(root, "init", "--quiet")
    revision = commit(root)
    region.create("forum-registry", root / "deploy/registry.yaml")
    region.put_image("likes", revision)
    region.create("forum-cluster", root / "deploy/cluster.yaml", {"Name": "forum"})
    assert run(root, "up", "--yes", "likes", environment=region.environment()).code == 0
    rules = region.client("elbv2").describe_rules(ListenerArn=region.outputs("forum-cluster")["ListenerArn"])["Rules"]
    (rule,) = [rule for rule in rules if rule["Priority"] == "40"]
    assert rule["Conditions"][0]["PathPatternConfig"]["Values"] == ["/api/likes", "/api/likes/*"]
