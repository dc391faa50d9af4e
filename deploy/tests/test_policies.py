"""No role of one service gives access to another's log group or repository, and every `*` has a reason."""

import ast
import fnmatch
import itertools

import pytest
from conftest import ROOT, SERVICES
from emulator import ACCOUNT

# Every action that is allowed on all resources, with the reason. deploy/README.md shows the same table.
ON_EVERYTHING = {
    "ecr:GetAuthorizationToken": "a token is for the whole registry; the other statements say what may be done with it",
    "ecs:DiscoverPollEndpoint": "IAM allows no narrower resource; it tells the agent which address to poll",
    "ssm:UpdateInstanceInformation": "a host registers with Session Manager and can only use its own name",
    "ssmmessages:CreateControlChannel": "IAM allows no narrower resource for the channels of Session Manager",
    "ssmmessages:CreateDataChannel": "IAM allows no narrower resource for the channels of Session Manager",
    "ssmmessages:OpenControlChannel": "IAM allows no narrower resource for the channels of Session Manager",
    "ssmmessages:OpenDataChannel": "IAM allows no narrower resource for the channels of Session Manager",
}
# Actions on images and logs.
ACTIONS = [
    "ecr:BatchCheckLayerAvailability", "ecr:BatchDeleteImage", "ecr:BatchGetImage", "ecr:DeleteRepository",
    "ecr:GetDownloadUrlForLayer", "ecr:PutImage", "ecr:SetRepositoryPolicy", "ecr:UploadLayerPart",
    "logs:CreateLogStream", "logs:DeleteLogGroup", "logs:DeleteLogStream", "logs:FilterLogEvents", "logs:GetLogEvents",
    "logs:PutLogEvents", "logs:PutRetentionPolicy",
]  # fmt: skip

pytestmark = pytest.mark.xdist_group("deployed")


def listed(value):
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="module")
def roles(deployed):
    """The statements of every role in IAM, by stack and logical name."""
    iam = deployed.client("iam")
    found = {}
    for stack in ["forum-cluster", *(f"forum-{service}" for service in SERVICES)]:
        for logical, name in deployed.region.resources(stack).items():
            if logical.endswith("Role"):
                assert not iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
                documents = [
                    iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
                ]
                # moto returns the policy as Python prints it, not as JSON.
                documents = [ast.literal_eval(document) if isinstance(document, str) else document for document in documents]
                found[stack, logical] = [statement for document in documents for statement in document["Statement"]]
    return found


def allowed(statements, action, resource):
    for statement in statements:
        assert statement["Effect"] == "Allow" and "NotAction" not in statement and "NotResource" not in statement
        if any(fnmatch.fnmatchcase(action, a) for a in listed(statement["Action"])) and any(
            fnmatch.fnmatchcase(resource, r) for r in listed(statement["Resource"])
        ):
            return True
    return False


def repository(service):
    return f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/{service}"


def log_group(service):
    return f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/forum/{service}"


def test_every_role_is_there(roles):
    services = {(f"forum-{service}", role) for service in SERVICES for role in ("TaskRole", "ExecutionRole")}
    assert roles.keys() == services | {("forum-cluster", "HostRole")}


@pytest.mark.parametrize("service", SERVICES)
def test_execution_role_may_pull_its_image_and_write_its_logs(roles, service):
    statements = roles[f"forum-{service}", "ExecutionRole"]
    may = {a for a in ACTIONS for r in (repository(service), f"{log_group(service)}:log-stream:task/x") if allowed(statements, a, r)}
    assert may == {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(SERVICES, 2)))
def test_no_role_of_one_service_opens_what_is_the_others(roles, one, other):
    resources = [repository(other), log_group(other), f"{log_group(other)}:*", f"{log_group(other)}:log-stream:task/{other}/1"]
    for role in ("TaskRole", "ExecutionRole"):
        opened = [(a, r) for a in ACTIONS for r in resources if allowed(roles[f"forum-{one}", role], a, r)]
        assert not opened


@pytest.mark.parametrize("service", SERVICES)
def test_a_name_that_begins_alike_is_another(roles, service):
    for resource in (repository(service + "2"), f"{log_group(service + '2')}:log-stream:x"):
        assert not any(allowed(roles[f"forum-{service}", "ExecutionRole"], action, resource) for action in ACTIONS)


@pytest.mark.parametrize("service", SERVICES)
def test_hosts_open_no_repository_and_no_log_group(roles, service):
    host = roles["forum-cluster", "HostRole"]
    assert not any(allowed(host, a, r) for a in ACTIONS for r in (repository(service), f"{log_group(service)}:log-stream:x"))


def test_a_service_itself_may_nothing(roles):
    assert all(roles[f"forum-{service}", "TaskRole"] == [] for service in SERVICES)


def test_every_action_on_all_resources_has_its_reason(roles):
    on_everything = {
        action
        for statements in roles.values()
        for statement in statements
        for action in listed(statement["Action"])
        if "*" in listed(statement["Resource"])
    }
    assert on_everything == ON_EVERYTHING.keys()
    assert not [a for s in roles.values() for statement in s for a in listed(statement["Action"]) if "*" in a]


def test_the_readme_has_the_reasons():
    readme = (ROOT / "deploy" / "README.md").read_text()
    for action, reason in ON_EVERYTHING.items():
        assert f"| `{action}` | {reason} |" in readme
