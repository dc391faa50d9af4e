"""All lists of services agree, and a fourth service needs exactly the places that README.md names."""

import re

from conftest import ROOT, commit, copy_of_the_repository, git
from fourth_service import add
from render import template


def folders(root):
    return {path.name for path in (root / "services").iterdir() if (path / "Cargo.toml").exists()}


def models(root):
    """The collections of all declared models: `Post in "posts"`."""
    sources = [path.read_text() for path in (root / "crates/common/src").glob("*.rs")]
    return {name for text in sources for name in re.findall(r'^    [A-Z]\w+ in "([\w-]+)"', text, re.MULTILINE)}


def files(root, folder):
    return {path.stem for path in (root / "deploy" / folder).glob("*.json")}


def repositories(root):
    """Repositories that are also outputs."""
    registry = template(root / "deploy/registry.yaml")
    outputs = {output["Value"]["Fn::GetAtt"][0] for output in registry["Outputs"].values()}
    return {r["Properties"]["RepositoryName"] for logical, r in registry["Resources"].items() if logical in outputs}


def stages(root):
    return set(re.findall(r"^FROM service AS (\S+)$", (root / "docker/Dockerfile").read_text(), re.MULTILINE))


def bake_targets(root):
    """Targets of the default group, without the load balancer."""
    text = (root / "docker/docker-bake.hcl").read_text()
    group = re.search(r'group "default" \{\s*targets = \[(.*?)\]', text, re.DOTALL)[1]
    return set(re.findall(r'^target "(\S+)"', text, re.MULTILINE)) & set(re.findall(r'"(\S+?)"', group)) - {"alb"}


def composed(root):
    """Containers that the load balancer sends requests to, waits for and shares a network with."""
    compose = template(root / "docker/compose.yaml")
    balancer = compose["services"]["alb"]
    targets = {argument.split("=")[0] for argument in balancer["command"] if "=" in argument}
    return set(compose["services"]) & targets & set(balancer["depends_on"]) & set(balancer["networks"]) & set(compose["networks"])


def writable(root):
    """Services that have a volume and a token."""
    compose = template(root / "docker/compose.writable.yaml")
    return set(compose["services"]) & set(compose["volumes"]) & set(compose["secrets"])


# The places where services are listed, as README.md names them, and how to read each list. NAME is the service.
PLACES = {
    "crates/common/src/": models,
    "services/NAME/": folders,
    "deploy/services/NAME.json": lambda root: files(root, "services"),
    "deploy/task-definitions/NAME.json": lambda root: files(root, "task-definitions"),
    "deploy/registry.yaml": repositories,
    "docker/Dockerfile": stages,
    "docker/docker-bake.hcl": bake_targets,
    "docker/compose.yaml": composed,
    "docker/compose.writable.yaml": writable,
}


def disagreements(root):
    """Places that lack services, with the services that they lack."""
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


def test_a_fourth_service_is_missed_everywhere_until_it_is_everywhere(tmp_path):
    root = copy_of_the_repository(tmp_path)
    places = list(PLACES)
    for number, place in enumerate(places, start=1):
        add(root, place)
        assert disagreements(root) == {left: {"tags"} for left in places[number:]}


def test_a_fourth_service_runs_beside_the_others(tmp_path, region, run):
    root = copy_of_the_repository(tmp_path)
    for place in PLACES:
        add(root, place)
    git(root, "init", "--quiet")
    revision = commit(root)
    region.create("forum-registry", root / "deploy/registry.yaml")
    region.put_image("tags", revision)
    region.create("forum-cluster", root / "deploy/cluster.yaml", {"Name": "forum"})
    assert run(root, "up", "--yes", "tags", environment=region.environment()).code == 0
    rules = region.client("elbv2").describe_rules(ListenerArn=region.outputs("forum-cluster")["ListenerArn"])["Rules"]
    (rule,) = [rule for rule in rules if rule["Priority"] == "40"]
    assert rule["Conditions"][0]["PathPatternConfig"]["Values"] == ["/api/tags", "/api/tags/*"]
