"""Every mistake of an operator has its own message and exit code, and changes nothing."""

import os
import re
import subprocess

import pytest
from conftest import ROOT, SERVICES, commit, copy_of_the_repository, git
from emulator import error
from moto.cloudformation.models import CloudFormationBackend

USAGE, TOOL, CREDENTIALS, REGION, AWS = 2, 3, 4, 5, 6
TREE, REPOSITORY, IMAGE = 10, 11, 12
DECLINED, STUCK, BUSY, FAILED, ORDER = 20, 21, 22, 23, 24


def ends(done, code, *parts):
    """Checks the exit code, and that the message has one or two lines with these parts."""
    assert done.code == code, done.err
    message = re.split(r"^(?=(?:up|down|push): )", done.err, flags=re.MULTILINE)[-1]
    assert re.match("(up|down|push): ", message)
    assert len(message.strip().splitlines()) <= 2
    for part in parts:
        assert part in message


@pytest.mark.parametrize("command", ["push", "up", "down"])
def test_help_lists_every_exit_code(run, command):
    done = run(ROOT, command, "--help")
    assert done.code == 0 and f"usage: deploy/{command}" in done.out
    library = (ROOT / "deploy" / "lib.sh").read_text()
    for code in re.findall(r"\bE_[A-Z]+=(\d+)", library):
        assert re.search(rf"(^|\s){code}  \S", done.out)


@pytest.mark.parametrize(
    ("command", "arguments", "parts"),
    [
        ("up", ["--fast"], ["unknown option --fast", "deploy/up --help"]),
        ("push", ["--fast"], ["unknown option --fast", "deploy/push --help"]),
        ("down", ["--fast"], ["unknown option --fast", "deploy/down --help"]),
        ("up", ["likes"], ["likes is not a service", "deploy/services/likes.json", "posts threads users"]),
        ("push", ["../users"], ["../users is not a service"]),
        ("down", ["likes"], ["likes is not a service"]),
        ("up", ["users@v1"], ["users@v1", "sha256:"]),
        ("up", ["--name", "Big Forum"], ["--name Big Forum", "lower-case"]),
        ("up", ["--name"], ["--name needs a name"]),
        ("up", ["--set", "MaxHosts", "cluster"], ["--set needs PARAMETER=VALUE"]),
        ("up", ["--set", "MaxHosts=3", "users"], ["--set is for the cluster"]),
    ],
)
def test_wrong_command_line(run, command, arguments, parts):
    ends(run(ROOT, command, *arguments), USAGE, *parts)


@pytest.mark.parametrize("command", ["up", "down"])
def test_tool_missing(run, command, tmp_path, region):
    for tool in ("bash", "env", "git", "sed", "tr", "mktemp", "rm", "cat", "basename"):
        (tmp_path / tool).symlink_to(subprocess.check_output(["which", tool], text=True).strip())
    done = run(ROOT, command, environment=region.environment() | {"PATH": str(tmp_path)})
    ends(done, TOOL, "jq is not installed", "deploy/README.md")


@pytest.mark.parametrize("command", ["push", "up", "down"])
def test_no_credentials(run, checkout, region, command):
    environment = {"AWS_ENDPOINT_URL": region.emulator.url, "AWS_REGION": region.name}
    ends(run(checkout, command, environment=environment), CREDENTIALS, "no AWS credentials", "aws configure")


def test_profile_that_is_not_there(run, checkout, region):
    environment = {"AWS_ENDPOINT_URL": region.emulator.url, "AWS_REGION": region.name, "AWS_PROFILE": "production"}
    ends(run(checkout, "up", environment=environment), CREDENTIALS, "production", "AWS_PROFILE")


def test_expired_credentials(run, checkout, region, monkeypatch):
    def expired(*_):
        raise error("sts", "ExpiredToken", "The security token included in the request is expired")

    monkeypatch.setattr("moto.sts.models.STSBackend.get_caller_identity", expired)
    ends(run(checkout, "up", environment=region.environment()), CREDENTIALS, "expired", "aws sso login")


@pytest.mark.parametrize("command", ["push", "up", "down"])
def test_no_region(run, checkout, region, command):
    environment = region.environment()
    del environment["AWS_REGION"]
    ends(run(checkout, command, environment=environment), REGION, "no AWS region", "AWS_REGION")


def test_region_from_the_configuration(run, checkout, region, tmp_path):
    """Versions of the AWS CLI read different variables for the region. The commands read all of them."""
    environment = region.environment()
    del environment["AWS_REGION"]
    (tmp_path / "config").write_text(f"[default]\nregion = {region.name}\n")
    done = run(checkout, "up", environment=environment | {"AWS_CONFIG_FILE": str(tmp_path / "config")})
    ends(done, REPOSITORY, f"region {region.name}")


def test_aws_out_of_reach(run, checkout, region):
    environment = region.environment() | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    ends(run(checkout, "up", environment=environment), AWS, "who we are", "http://127.0.0.1:1")


def test_permission_missing(run, checkout, with_images, monkeypatch):
    def refused(*_, **__):
        raise error("cloudformation", "AccessDenied", "User: test is not authorized to perform: cloudformation:CreateStack")

    monkeypatch.setattr(CloudFormationBackend, "create_stack", refused)
    done = run(checkout, "up", "--yes", "cluster", environment=with_images.environment())
    ends(done, AWS, "creating the stack forum-cluster", "cloudformation:CreateStack")


def test_no_revision_to_name_images_by(run, tmp_path, region):
    for name in ("up", "push", "lib.sh", "services/users.json"):
        (tmp_path / "deploy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "deploy" / name).write_bytes((ROOT / "deploy" / name).read_bytes())
        os.chmod(tmp_path / "deploy" / name, 0o755)
    ends(run(tmp_path, "push", environment=region.environment()), TREE, str(tmp_path), "clone the repository")


@pytest.mark.parametrize("arguments", [[], ["users"], ["users@sha256:" + "0" * 64]])
def test_no_repository(run, checkout, region, arguments):
    ends(run(checkout, "up", *arguments, environment=region.environment()), REPOSITORY, "no ECR repository", region.name, "deploy/up registry")
    assert region.stacks() == {}


def test_no_image_of_the_revision(run, checkout, region):
    region.create("forum-registry", ROOT / "deploy" / "registry.yaml")
    ends(run(checkout, "up", "--yes", environment=region.environment()), IMAGE, git(checkout, "rev-parse", "HEAD"), "deploy/push posts")
    assert region.stacks().keys() == {"forum-registry"}


def test_no_image_of_the_revision_but_one_that_runs(run, checkout, running):
    running.client("ecr").batch_delete_image(
        repositoryName="users", imageIds=[{"imageTag": git(checkout, "rev-parse", "HEAD")}]
    )
    digest = running.outputs("forum-users")["Image"].split("@")[1]
    ends(run(checkout, "up", "users", environment=running.environment()), IMAGE, "deploy/push users", f"users@{digest}")


def test_no_image_of_the_digest(run, checkout, with_images):
    digest = "sha256:" + "0" * 64
    done = run(checkout, "up", f"users@{digest}", environment=with_images.environment())
    ends(done, IMAGE, digest, "aws ecr describe-images --repository-name users")


def test_service_without_its_cluster(run, checkout, with_images):
    done = run(checkout, "up", "--yes", "users", environment=with_images.environment())
    ends(done, ORDER, "no stack forum-cluster", "deploy/up --name forum cluster")


def test_unknown_parameter(run, checkout, with_images, monkeypatch):
    """The emulator accepts any parameter, so the test raises the error of AWS. The command shows its text."""

    def refused(*_, **__):
        raise error("cloudformation", "ValidationError", "Parameters: [MaxHost] do not exist in the template")

    monkeypatch.setattr(CloudFormationBackend, "create_stack", refused)
    done = run(checkout, "up", "--yes", "--set", "MaxHost=3", "cluster", environment=with_images.environment())
    ends(done, AWS, "forum-cluster", "[MaxHost] do not exist in the template")


@pytest.mark.parametrize("answer", ["", "n\n", "yess\n"])
def test_creation_not_confirmed(run, checkout, region, answer):
    ends(run(checkout, "up", "registry", environment=region.environment(), answer=answer), DECLINED, "nothing was changed", "--yes")
    assert region.stacks() == {}


def test_change_not_confirmed(run, checkout, running):
    digest = running.put_image("users", "next")
    before = running.outputs("forum-users")
    ends(run(checkout, "up", f"users@{digest}", environment=running.environment(), answer="n\n"), DECLINED)
    assert running.outputs("forum-users") == before
    assert not running.client("cloudformation").list_change_sets(StackName="forum-users")["Summaries"]


def test_deletion_not_confirmed(run, checkout, running):
    before = running.stacks()
    ends(run(checkout, "down", environment=running.environment(), answer="n\n"), DECLINED, "nothing was changed")
    assert running.stacks() == before


@pytest.mark.parametrize(
    ("status", "code", "parts"),
    [
        ("ROLLBACK_COMPLETE", STUCK, ["can only be deleted", "deploy/down --name forum users"]),
        ("REVIEW_IN_PROGRESS", STUCK, ["can only be deleted"]),
        ("DELETE_FAILED", STUCK, ["can only be deleted"]),
        ("UPDATE_ROLLBACK_FAILED", STUCK, ["aws cloudformation continue-update-rollback --stack-name forum-users"]),
        ("UPDATE_IN_PROGRESS", BUSY, ["someone is changing it"]),
    ],
)
def test_stack_that_cannot_be_changed_now(run, checkout, with_images, status, code, parts):
    """The stuck stack is the last one in order. Still, no stack before it is changed."""
    with_images.bare_stack("forum-users", status)
    done = run(checkout, "up", "--yes", environment=with_images.environment())
    ends(done, code, f"stack forum-users in {with_images.name} is {status}", *parts)
    assert with_images.stacks() == {"forum-registry": "CREATE_COMPLETE", "forum-users": status}


def test_the_way_out_of_rollback_complete(run, checkout, with_images):
    with_images.bare_stack("forum-users", "ROLLBACK_COMPLETE")
    assert run(checkout, "down", "--yes", "users", environment=with_images.environment()).code == 0
    assert with_images.stacks().keys() == {"forum-registry"}


def fails(stack, status):
    """The events of a failed stack: the cause, and the resources that failed because of it."""
    for logical, resource_type, reason in [
        ("Rule", "AWS::ElasticLoadBalancingV2::ListenerRule", "Priority '10' is currently in use"),
        ("LogGroup", "AWS::Logs::LogGroup", "Resource creation cancelled"),
    ]:
        stack._add_stack_event("CREATE_FAILED", resource_status_reason=reason)
        stack.events[-1].logical_resource_id = logical
        stack.events[-1].resource_type = resource_type
    stack.status = status


def test_stack_that_fails_to_be_created(run, checkout, with_images, monkeypatch):
    create = CloudFormationBackend.create_stack

    def failing(self, *arguments, **named):
        stack = create(self, *arguments, **named)
        if stack.name == "forum-posts":
            fails(stack, "ROLLBACK_COMPLETE")
        return stack

    monkeypatch.setattr(CloudFormationBackend, "create_stack", failing)
    done = run(checkout, "up", "--yes", environment=with_images.environment())
    ends(
        done, FAILED, "stack forum-posts", "ROLLBACK_COMPLETE",
        "Rule (AWS::ElasticLoadBalancingV2::ListenerRule): Priority '10' is currently in use",
        "deploy/down --name forum posts", "aws logs tail /forum/posts",
    )  # fmt: skip
    assert with_images.stacks().keys() == {"forum-registry", "forum-cluster", "forum-posts"}, "it went on after a failure"
    assert done.out == ""


def test_stack_that_fails_to_change(run, checkout, running, monkeypatch):
    execute = CloudFormationBackend.execute_change_set

    def failing(self, change_set_name, stack_name=None):
        execute(self, change_set_name, stack_name)
        fails(self.get_stack(stack_name), "UPDATE_ROLLBACK_COMPLETE")

    monkeypatch.setattr(CloudFormationBackend, "execute_change_set", failing)
    digest = running.put_image("users", "next")
    done = run(checkout, "up", "--yes", f"users@{digest}", environment=running.environment())
    ends(done, FAILED, "stack forum-users", "what ran before still runs", "Priority '10' is currently in use")


def test_change_that_aws_cannot_work_out(run, checkout, running, monkeypatch):
    create = CloudFormationBackend.create_change_set

    def failing(self, *arguments, **named):
        answer = create(self, *arguments, **named)
        change_set = self.change_sets[answer[0]]
        change_set.status, change_set.status_reason = "FAILED", "Transform failed"
        return answer

    monkeypatch.setattr(CloudFormationBackend, "create_change_set", failing)
    digest = running.put_image("users", "next")
    done = run(checkout, "up", "--yes", f"users@{digest}", environment=running.environment())
    ends(done, FAILED, "stack forum-users", "deploy/service.yaml", "Transform failed")


def test_stack_that_fails_to_be_deleted(run, checkout, with_images, monkeypatch):
    with_images.bare_stack("forum-users", "CREATE_COMPLETE")

    def failing(self, name_or_stack_id):
        stack = self.get_stack(name_or_stack_id)
        stack._add_stack_event("DELETE_IN_PROGRESS")
        fails(stack, "DELETE_FAILED")

    monkeypatch.setattr(CloudFormationBackend, "delete_stack", failing)
    done = run(checkout, "down", "--yes", "users", environment=with_images.environment())
    ends(done, FAILED, "stack forum-users", "was not deleted", "Priority '10' is currently in use", "deploy/down again")


def test_cluster_that_still_runs_services(run, checkout, running):
    before = running.stacks()
    ends(run(checkout, "down", "--yes", "cluster", "users", environment=running.environment()), ORDER, "still runs: ", "posts", "threads")
    assert running.stacks() == before


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_two_rules_with_one_priority(run, tmp_path, options):
    checkout = copy_of_the_repository(tmp_path)
    git(checkout, "init", "--quiet")
    commit(checkout)
    file = checkout / "deploy/services/posts.json"
    file.write_text(file.read_text().replace('"RulePriority": "30"', '"RulePriority": "10"'))
    ends(run(checkout, "up", *options), USAGE, "RulePriority 10 belongs to posts and to users", "each rule needs its own")


def test_dry_run_needs_no_credentials(run, checkout):
    done = run(checkout, "up", "--dry-run", "registry", "cluster", *SERVICES, environment={"PATH": os.environ["PATH"]})
    assert done.code == 0
    for stack in ("forum-registry", "forum-cluster", *(f"forum-{service}" for service in SERVICES)):
        assert f"stack {stack} from deploy/" in done.out
    assert git(checkout, "rev-parse", "HEAD") in done.out
