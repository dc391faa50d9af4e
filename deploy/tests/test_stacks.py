"""deploy/up and deploy/down with the emulator. The created resources are compared with deploy/services/."""

import json

import pytest
from conftest import ROOT, SERVICES
from emulator import ACCOUNT, IGNORED_TYPES
from render import api_form, parameters, resolve, template

CLUSTER = template(ROOT / "deploy" / "cluster.yaml")
NOT_FOUND = {
    "type": "urn:forum:problem:not-found",
    "title": "Not Found",
    "status": 404,
    "detail": "no service answers this path",
}


# Tests of the one deployed system stay in one process.
together = pytest.mark.xdist_group("deployed")


def of(service):
    return parameters(ROOT / "deploy" / "services" / f"{service}.json")


@together
def test_up_prints_the_url_and_nothing_else(deployed):
    assert deployed.first.out == deployed.region.outputs("forum-cluster")["Url"] + "\n"


@together
def test_up_again_changes_nothing(deployed, run, checkout):
    before = deployed.region.stacks()
    again = run(checkout, "up", "--yes", "registry", "cluster", *SERVICES, environment=deployed.region.environment())
    assert again.code == 0
    for stack in ["forum-registry", "forum-cluster", *(f"forum-{service}" for service in SERVICES)]:
        assert f"stack {stack}: unchanged" in again.err
    assert deployed.region.stacks() == before
    assert set(before.values()) == {"CREATE_COMPLETE"}
    change_sets = [deployed.client("cloudformation").list_change_sets(StackName=stack)["Summaries"] for stack in before]
    assert not any(change_sets), "a comparison without changes leaves its change set behind"


@together
def test_the_emulator_ignores_only_what_the_template_tests_look_at(deployed):
    assert deployed.region.emulator.ignored == IGNORED_TYPES


@together
def test_repositories_are_immutable(deployed):
    repositories = deployed.client("ecr").describe_repositories()["repositories"]
    assert {r["repositoryName"]: r["imageTagMutability"] for r in repositories} == dict.fromkeys(SERVICES, "IMMUTABLE")


@together
def test_cluster_and_registry_are_protected_from_deletion(deployed):
    protected = {name for name in deployed.region.stacks() if deployed.region.stack(name)["EnableTerminationProtection"]}
    assert protected == {"forum-registry", "forum-cluster"}


@together
def test_stacks_carry_the_tags_that_costs_are_told_by(deployed):
    tags = {t["Key"]: t["Value"] for t in deployed.region.stack("forum-users")["Tags"]}
    assert tags == {"application": "forum", "environment": "forum", "service": "users"}


@together
def test_listener_answers_404_by_default(deployed):
    listener = deployed.client("elbv2").describe_listeners(
        ListenerArns=[deployed.region.outputs("forum-cluster")["ListenerArn"]]
    )["Listeners"][0]
    assert (listener["Protocol"], listener["Port"]) == ("HTTP", 80)
    (action,) = listener["DefaultActions"]
    response = action["FixedResponseConfig"]
    assert (response["StatusCode"], response["ContentType"]) == ("404", "application/json")
    assert json.loads(response["MessageBody"]) == NOT_FOUND


@together
def test_rules_are_those_of_the_services_after_the_fixed_responses(deployed):
    rules = deployed.client("elbv2").describe_rules(
        ListenerArn=deployed.region.outputs("forum-cluster")["ListenerArn"]
    )["Rules"]
    found = {}
    for rule in rules:
        if rule["Priority"] != "default":
            (condition,) = rule["Conditions"]
            (action,) = rule["Actions"]
            found[rule["Priority"]] = (condition["PathPatternConfig"]["Values"], action)
    assert found.keys() == {"1", "2"} | {of(service)["RulePriority"] for service in SERVICES}
    for priority, patterns, body in [
        ("1", ["/"], "Ready to receive requests"),
        ("2", ["/api", "/api/"], "API ready to receive requests"),
    ]:
        assert found[priority][0] == patterns
        assert found[priority][1]["FixedResponseConfig"] == {
            "StatusCode": "200",
            "ContentType": "text/plain",
            "MessageBody": body,
        }
    for service in SERVICES:
        patterns, action = found[of(service)["RulePriority"]]
        assert patterns == of(service)["PathPatterns"].split(",")
        assert action["TargetGroupArn"] == deployed.region.resources(f"forum-{service}")["TargetGroup"]


@pytest.mark.parametrize("service", SERVICES)
@together
def test_target_group_is_what_the_service_file_says(deployed, service):
    arn = deployed.region.resources(f"forum-{service}")["TargetGroup"]
    group = deployed.client("elbv2").describe_target_groups(TargetGroupArns=[arn])["TargetGroups"][0]
    expected = of(service)
    assert group["VpcId"] == deployed.region.outputs("forum-cluster")["VpcId"]
    assert (group["TargetType"], group["Protocol"], group["Matcher"]) == ("instance", "HTTP", {"HttpCode": "200"})
    assert str(group["Port"]) == expected["ContainerPort"]
    for key in ["HealthCheckPath", "HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds", "HealthyThresholdCount",
                "UnhealthyThresholdCount"]:
        assert str(group[key]) == expected[key]


@pytest.mark.parametrize("service", SERVICES)
@together
def test_ecs_service_and_its_task_definition_are_what_the_files_say(deployed, service):
    found = deployed.client("ecs").describe_services(cluster="forum", services=[service])["services"][0]
    assert str(found["desiredCount"]) == of(service)["DesiredCount"]
    arn = found["taskDefinition"]
    assert arn.endswith(f":task-definition/forum-{service}:1")

    (container,) = deployed.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]["containerDefinitions"]
    written = template(ROOT / "deploy" / "service.yaml")["Resources"]["TaskDefinition"]["Properties"]
    known = of(service) | {
        "Image": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/{service}@{deployed.digests[service]}",
        "LogGroup": f"/forum/{service}",
        "AWS::Region": "eu-west-1",
    }
    (expected,) = api_form(resolve(written["ContainerDefinitions"], known))
    assert {key: container[key] for key in expected} == expected


@pytest.mark.parametrize("service", SERVICES)
@together
def test_log_group_forgets_after_a_month(deployed, service):
    (group,) = deployed.client("logs").describe_log_groups(logGroupNamePrefix=f"/forum/{service}")["logGroups"]
    assert group["retentionInDays"] == 30


@together
def test_hosts_have_no_public_address_and_no_door_but_the_load_balancers(deployed):
    resources = deployed.region.resources("forum-cluster")
    ec2 = deployed.client("ec2")
    data = ec2.describe_launch_template_versions(LaunchTemplateId=resources["HostTemplate"])["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert (data["MetadataOptions"]["HttpTokens"], data["MetadataOptions"]["HttpPutResponseHopLimit"]) == ("required", 1)
    assert "KeyName" not in data
    (interface,) = data["NetworkInterfaces"]
    assert interface["AssociatePublicIpAddress"] is False
    assert interface["Groups"] == [resources["HostSecurityGroup"]]
    (group,) = ec2.describe_security_groups(GroupIds=[resources["HostSecurityGroup"]])["SecurityGroups"]
    (ingress,) = group["IpPermissions"]
    assert (ingress["FromPort"], ingress["ToPort"]) == (32768, 65535)
    assert [pair["GroupId"] for pair in ingress["UserIdGroupPairs"]] == [resources["LoadBalancerSecurityGroup"]]
    assert not ingress["IpRanges"]
    subnets = ec2.describe_subnets(SubnetIds=[resources["PrivateSubnetA"], resources["PrivateSubnetB"]])["Subnets"]
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 2


def test_a_new_image_changes_one_stack_and_one_task_definition_revision(running, run, checkout):
    region, environment = running, running.environment()
    before = region.client("ecs").list_task_definitions()["taskDefinitionArns"]
    old = region.image("users")
    new = region.put_image("users", "next")

    change = run(checkout, "up", f"users@{new}", environment=environment, answer="y\n")
    assert change.code == 0
    assert f"Image: {old} -> {region.image('users')}\n" in change.err, "the change is not shown"
    assert {name for name, status in region.stacks().items() if status == "UPDATE_COMPLETE"} == {"forum-users"}
    assert region.outputs("forum-users")["Image"] == region.image("users")
    after = region.client("ecs").list_task_definitions()["taskDefinitionArns"]
    assert [arn.split("/")[-1] for arn in after if arn not in before] == ["forum-users:2"]
    assert len(after) == len(before), "the revision before is no longer active"

    # Rolls back.
    assert run(checkout, "up", "--yes", f"users@{old.split('@')[1]}", environment=environment).code == 0
    assert region.outputs("forum-users")["Image"] == old


def test_a_deployment_keeps_the_number_of_tasks_that_scaling_has_set(running, run, checkout):
    minimum, maximum = of("users")["MinTasks"], of("users")["MaxTasks"]
    for scaled, kept in [("7", "7"), ("99", maximum), ("0", minimum)]:
        running.client("ecs").update_service(cluster="forum", service="users", desiredCount=int(scaled))
        assert run(checkout, "up", "--yes", "users", environment=running.environment()).code == 0
        given = {p["ParameterKey"]: p["ParameterValue"] for p in running.stack("forum-users")["Parameters"]}
        assert given["DesiredCount"] == kept


def test_two_environments_share_a_region_and_its_images(running, run, checkout):
    region, environment = running, running.environment()
    settings = ["--set", "InstanceType=t3.medium", "--set", "MaxHosts=3"]
    staging = run(checkout, "up", "--yes", "--name", "staging", *settings, "cluster", "users", environment=environment)
    assert staging.code == 0
    everything = {"forum-registry", "forum-cluster", *(f"forum-{service}" for service in SERVICES)}
    assert set(region.stacks()) == everything | {"staging-cluster", "staging-users"}
    clusters = region.client("ecs").list_clusters()["clusterArns"]
    assert {arn.split("/")[-1] for arn in clusters} == {"staging", "forum"}
    assert region.outputs("staging-users")["Image"] == region.outputs("forum-users")["Image"]

    # A parameter keeps its value until it is set again.
    assert run(checkout, "up", "--yes", "--name", "staging", "--set", "MaxHosts=4", "cluster", environment=environment).code == 0
    for name, expected in [("staging", ("t3.medium", "4")), ("forum", ("t3.small", "6"))]:
        given = {p["ParameterKey"]: p["ParameterValue"] for p in region.stack(f"{name}-cluster")["Parameters"]}
        assert (given["InstanceType"], given["MaxHosts"]) == expected

    # Deletes one environment's service. The other environment keeps its own.
    assert run(checkout, "down", "--yes", "--name", "staging", "users", environment=environment).code == 0
    assert set(region.stacks()) == everything | {"staging-cluster"}


def test_with_a_certificate_the_api_is_on_443_and_80_redirects(with_images, run, checkout):
    region, environment = with_images, with_images.environment()
    certificate = region.client("acm").request_certificate(DomainName="forum.example.org")["CertificateArn"]
    https = run(checkout, "up", "--yes", "--name", "secure", "--set", f"CertificateArn={certificate}", "cluster", "users", environment=environment)
    assert https.code == 0 and https.out.startswith("https://")
    resources = region.resources("secure-cluster")
    elb = region.client("elbv2")
    listeners = elb.describe_listeners(LoadBalancerArn=resources["LoadBalancer"])["Listeners"]
    by_port = {listener["Port"]: listener for listener in listeners}
    assert by_port.keys() == {80, 443}
    redirect = by_port[80]["DefaultActions"][0]["RedirectConfig"]
    assert (redirect["Protocol"], redirect["Port"], redirect["StatusCode"]) == ("HTTPS", "443", "HTTP_301")
    assert by_port[443]["Certificates"][0]["CertificateArn"] == certificate
    assert len(elb.describe_rules(ListenerArn=by_port[443]["ListenerArn"])["Rules"]) == 4
    assert len(elb.describe_rules(ListenerArn=by_port[80]["ListenerArn"])["Rules"]) == 1, "a rule comes before the redirect"


def test_down_deletes_everything_in_order(running, run, checkout):
    region, environment = running, running.environment()
    down = run(checkout, "down", environment=environment, answer="yes\n")
    assert down.code == 0
    deleted = [line.split(":")[0] for line in down.err.splitlines() if line.endswith(": deleted")]
    assert deleted == [f"stack forum-{service}" for service in SERVICES] + ["stack forum-cluster"]
    assert set(region.stacks()) == {"forum-registry"}

    assert run(checkout, "down", "--yes", "registry", environment=environment).code == 0
    assert not region.stacks()
    assert not region.client("ecr").describe_repositories()["repositories"]
    assert run(checkout, "down", "--yes", environment=environment).code == 0, "deleting nothing is no error"
