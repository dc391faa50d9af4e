"""Checks in the parsed templates what the emulator ignores without an error."""

import json
import re

import pytest
from conftest import ROOT, SERVICES
from emulator import IGNORED_TYPES
from render import parameters, template

CLUSTER = template(ROOT / "deploy" / "cluster.yaml")
SERVICE = template(ROOT / "deploy" / "service.yaml")
REGISTRY = template(ROOT / "deploy" / "registry.yaml")

def limit(name):
    """A limit of the services in seconds, read from their code."""
    code = (ROOT / "crates" / "chassis" / "src" / "config.rs").read_text()
    return int(re.search(rf"\b{name}: Duration::from_secs\((\d+)\)", code)[1])


def of(source, logical):
    return source["Resources"][logical]["Properties"]


def attributes(value):
    return {item["Key"]: item["Value"] for item in value if "Key" in item}


def test_ignored_types_are_all_looked_at_here():
    used = {r["Type"] for source in (CLUSTER, SERVICE, REGISTRY) for r in source["Resources"].values()}
    assert IGNORED_TYPES < used


def test_every_resource_has_properties():
    """The emulator would replace a resource without properties at each update."""
    assert all("Properties" in r for source in (CLUSTER, SERVICE, REGISTRY) for r in source["Resources"].values())


def test_service_is_behind_the_load_balancer():
    service = of(SERVICE, "EcsService")
    assert service["LoadBalancers"] == [
        {"ContainerName": {"Ref": "Service"}, "ContainerPort": {"Ref": "ContainerPort"}, "TargetGroupArn": {"Ref": "TargetGroup"}}
    ]
    assert SERVICE["Resources"]["EcsService"]["DependsOn"] == "Rule"
    assert service["TaskDefinition"] == {"Ref": "TaskDefinition"}


def test_service_is_deployed_carefully():
    service = of(SERVICE, "EcsService")
    deployment = service["DeploymentConfiguration"]
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (100, 200)
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    alarms = deployment["Alarms"]
    assert alarms == {"Enable": True, "Rollback": True, "AlarmNames": [{"Ref": "FailedRequests"}, {"Ref": "UnhealthyHosts"}]}
    assert service["HealthCheckGracePeriodSeconds"] >= 30
    assert service["PlacementStrategies"][0] == {"Type": "spread", "Field": "attribute:ecs.availability-zone"}
    assert service["EnableExecuteCommand"] is False
    assert (service["PropagateTags"], service["EnableECSManagedTags"]) == ("SERVICE", True)
    assert "LaunchType" not in service and "CapacityProviderStrategy" not in service, "the cluster's strategy would not count"


def test_task_definition_is_for_hosts_and_has_its_own_roles():
    task = of(SERVICE, "TaskDefinition")
    assert (task["NetworkMode"], task["RequiresCompatibilities"]) == ("bridge", ["EC2"])
    assert task["TaskRoleArn"] == {"Fn::GetAtt": ["TaskRole", "Arn"]}
    assert task["ExecutionRoleArn"] == {"Fn::GetAtt": ["ExecutionRole", "Arn"]}


def test_container_is_confined():
    (container,) = of(SERVICE, "TaskDefinition")["ContainerDefinitions"]
    assert container["Image"] == {"Ref": "Image"}
    assert re.fullmatch(SERVICE["Parameters"]["Image"]["AllowedPattern"], "a/users@sha256:" + "0" * 64)
    assert not re.fullmatch(SERVICE["Parameters"]["Image"]["AllowedPattern"], "a/users:latest")
    assert (container["ReadonlyRootFilesystem"], container["Privileged"], container["User"]) == (True, False, "65532")
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    config = (ROOT / "crates" / "chassis" / "src" / "config.rs").read_text()
    (connections,) = re.findall(r'default_value = "(\d+)"[^\n]*\n\s*pub max_connections:', config)
    assert container["Ulimits"][0]["SoftLimit"] > int(connections)
    assert [mapping["HostPort"] for mapping in container["PortMappings"]] == [0]


def test_container_is_given_the_time_it_needs_to_stop():
    (container,) = of(SERVICE, "TaskDefinition")["ContainerDefinitions"]
    environment = {variable["Name"]: variable["Value"] for variable in container["Environment"]}
    drain = int(environment["DRAIN_DELAY"].removesuffix("s"))
    assert drain > 0
    assert container["StopTimeout"] >= drain + limit("drain_deadline") + 5


def test_services_keep_connections_longer_than_the_load_balancer():
    load_balancer = attributes(of(CLUSTER, "LoadBalancer")["LoadBalancerAttributes"])
    assert int(load_balancer["idle_timeout.timeout_seconds"]) < limit("head_timeout")
    assert load_balancer["routing.http.drop_invalid_header_fields.enabled"] == "true"


def test_access_logs_are_a_choice():
    assert attributes(of(CLUSTER, "LoadBalancer")["LoadBalancerAttributes"])["access_logs.s3.enabled"] == {
        "Fn::If": ["AccessLogs", "true", "false"]
    }


def test_logs_never_hold_up_a_request():
    (container,) = of(SERVICE, "TaskDefinition")["ContainerDefinitions"]
    log = container["LogConfiguration"]
    assert (log["LogDriver"], log["Options"]["mode"]) == ("awslogs", "non-blocking")


def test_target_group_drains_and_spares_the_busy():
    assert attributes(of(SERVICE, "TargetGroup")["TargetGroupAttributes"]) == {
        "deregistration_delay.timeout_seconds": {"Ref": "DeregistrationDelaySeconds"},
        "load_balancing.algorithm.type": "least_outstanding_requests",
    }


def test_scaling_follows_requests_and_cpu_within_the_limits():
    scaling = of(SERVICE, "Scaling")
    assert (scaling["MinCapacity"], scaling["MaxCapacity"]) == ({"Ref": "MinTasks"}, {"Ref": "MaxTasks"})
    assert scaling["ResourceId"] == {"Fn::Sub": "service/${Cluster}/${EcsService.Name}"}
    metrics = set()
    for logical in ("ScalingOnRequests", "ScalingOnCpu"):
        policy = of(SERVICE, logical)
        assert (policy["PolicyType"], policy["ScalingTargetId"]) == ("TargetTrackingScaling", {"Ref": "Scaling"})
        metrics.add(policy["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"]["PredefinedMetricType"])
    assert metrics == {"ALBRequestCountPerTarget", "ECSServiceAverageCPUUtilization"}


@pytest.mark.parametrize(
    ("logical", "metric"), [("FailedRequests", "HTTPCode_Target_5XX_Count"), ("UnhealthyHosts", "UnHealthyHostCount")]
)
def test_alarms_watch_this_service_alone_and_tell_someone(logical, metric):
    alarm = of(SERVICE, logical)
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/ApplicationELB", metric)
    assert {d["Name"]: d["Value"] for d in alarm["Dimensions"]} == {
        "LoadBalancer": {"Ref": "LoadBalancerFullName"},
        "TargetGroup": {"Fn::GetAtt": ["TargetGroup", "TargetGroupFullName"]},
    }
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["AlarmActions"] == {"Fn::If": ["Notify", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}


def test_roles_are_for_tasks_of_this_account_alone():
    for logical in ("TaskRole", "ExecutionRole"):
        (statement,) = of(SERVICE, logical)["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        assert "ManagedPolicyArns" not in of(SERVICE, logical)
    assert "ManagedPolicyArns" not in of(CLUSTER, "HostRole")


def test_capacity_provider_scales_and_drains_the_hosts():
    provider = of(CLUSTER, "CapacityProvider")["AutoScalingGroupProvider"]
    assert provider["AutoScalingGroupArn"] == {"Ref": "Hosts"}
    assert (provider["ManagedScaling"]["Status"], provider["ManagedDraining"]) == ("ENABLED", "ENABLED")
    association = of(CLUSTER, "ClusterCapacity")
    assert association["DefaultCapacityProviderStrategy"] == [{"CapacityProvider": {"Ref": "CapacityProvider"}, "Weight": 1}]


def test_cluster_has_container_insights():
    assert of(CLUSTER, "Cluster")["ClusterSettings"] == [{"Name": "containerInsights", "Value": "enabled"}]


def test_hosts_run_the_current_image_on_encrypted_disks_without_ssh():
    data = of(CLUSTER, "HostTemplate")["LaunchTemplateData"]
    assert data["ImageId"].startswith("resolve:ssm:/aws/service/ecs/optimized-ami/")
    assert all(device["Ebs"]["Encrypted"] is True for device in data["BlockDeviceMappings"])
    assert "KeyName" not in data
    assert "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true\n" in data["UserData"]["Fn::Base64"]["Fn::Sub"]


def test_security_groups_let_nothing_out_by_default():
    for logical in ("LoadBalancerSecurityGroup", "HostSecurityGroup"):
        (egress,) = of(CLUSTER, logical)["SecurityGroupEgress"]
        assert egress["IpProtocol"] == "tcp"
    ports = {r["FromPort"] for s in ("LoadBalancerSecurityGroup",) for r in of(CLUSTER, s)["SecurityGroupIngress"]}
    assert ports == {80} and CLUSTER["Resources"]["HttpsIngress"]["Condition"] == "Https"


@pytest.mark.parametrize("logical", list(REGISTRY["Resources"]))
def test_repository_is_scanned_encrypted_and_forgets(logical):
    repository = of(REGISTRY, logical)
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert repository["EncryptionConfiguration"] == {"EncryptionType": "KMS"}
    assert repository["LifecyclePolicy"] == {"LifecyclePolicyText": {"Fn::FindInMap": ["Lifecycle", "Keep", "Policy"]}}


def test_lifecycle_keeps_thirty_images_to_go_back_to(region):
    policy = REGISTRY["Mappings"]["Lifecycle"]["Keep"]["Policy"]
    untagged, tagged = (rule["selection"] for rule in json.loads(policy)["rules"])
    assert (untagged["tagStatus"], untagged["countUnit"], untagged["countNumber"]) == ("untagged", "days", 1)
    assert (tagged["tagStatus"], tagged["countType"], tagged["countNumber"]) == ("tagged", "imageCountMoreThan", 30)
    region.create("forum-registry", ROOT / "deploy" / "registry.yaml")
    region.client("ecr").put_lifecycle_policy(repositoryName="users", lifecyclePolicyText=policy)


def test_outputs_of_the_cluster_are_what_a_service_needs():
    needed = SERVICE["Parameters"].keys() - parameters(ROOT / "deploy" / "services" / "users.json").keys() - {"Name", "Image"}
    assert CLUSTER["Outputs"].keys() == needed | {"Url"}


@pytest.mark.parametrize("service", SERVICES)
def test_service_file_is_whole_and_within_the_limits_of_the_load_balancer(service):
    given = parameters(ROOT / "deploy" / "services" / f"{service}.json")
    assert given.keys() == SERVICE["Parameters"].keys() - (CLUSTER["Outputs"].keys() - {"Url"}) - {"Name", "Image"}
    assert all(isinstance(value, str) for value in given.values())
    assert given["Service"] == service
    patterns = given["PathPatterns"].split(",")
    assert len(patterns) <= 3 and all(len(pattern) <= 128 for pattern in patterns)
    assert sum(pattern.count("*") + pattern.count("?") for pattern in patterns) <= 5
    assert int(given["HealthCheckTimeoutSeconds"]) < int(given["HealthCheckIntervalSeconds"])
    assert int(given["MinTasks"]) <= int(given["DesiredCount"]) <= int(given["MaxTasks"])
    assert int(given["MinTasks"]) >= 2, "one task per zone at least"


def test_priorities_are_unique_and_above_the_fixed_responses():
    priorities = [int(parameters(ROOT / "deploy" / "services" / f"{service}.json")["RulePriority"]) for service in SERVICES]
    assert len(set(priorities)) == len(priorities)
    fixed = [r["Properties"]["Priority"] for r in CLUSTER["Resources"].values() if r["Type"].endswith("ListenerRule")]
    assert max(fixed) < SERVICE["Parameters"]["RulePriority"]["MinValue"] <= min(priorities)
