"""The AWS emulator: moto, in this process, so that tests can also make AWS fail.

The system that is deployed once and the systems that tests change are in different regions. Regions share only IAM, whose roles
have generated names. What the commands need and moto lacks is added only here, with the reason.
"""

import hashlib
import json
import logging
import os

# Without this variable moto's services never run a task. moto reads it when it is imported.
os.environ["MOTO_ECS_SERVICE_RUNNING"] = "1"

import boto3  # noqa: E402
from moto.backends import get_backend  # noqa: E402
from moto.cloudformation.models import ChangeSet  # noqa: E402
from moto.cloudformation.responses import CloudFormationResponse  # noqa: E402
from moto.core.exceptions import ServiceException  # noqa: E402
from moto.core.responses import ActionResult  # noqa: E402
from moto.ec2.models.route_tables import RouteTable  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

ACCOUNT = "123456789012"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

# Types that moto leaves out of a stack without an error. test_template.py checks them in the template.
IGNORED_TYPES = {
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm",
    "AWS::ECS::CapacityProvider",
    "AWS::ECS::ClusterCapacityProviderAssociations",
}


def _update_termination_protection(self):
    stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
    stack.enable_termination_protection = self._get_bool_param("EnableTerminationProtection")
    return ActionResult({"StackId": stack.stack_id})


# moto stores the termination protection of a stack, but has no call that lifts it.
CloudFormationResponse.update_termination_protection = _update_termination_protection


_apply = ChangeSet.apply


def _apply_wholly(self):
    _apply(self)
    self.stack.parameters = self.parameters
    self.stack.output_map = self.stack._create_output_map()


# moto does not change a stack's parameters and outputs when a change set is executed.
ChangeSet.apply = _apply_wholly


def _delete_route_table(self, account, region):
    self._associations.clear()
    get_backend("ec2")[account][region].delete_route_table(self.id)


# moto does not delete a stack's route tables, and then cannot delete its VPC.
RouteTable.delete = _delete_route_table


def error(service, code, message):
    """An error that `service` could answer, for tests that raise it instead of calling moto."""
    return type(code, (ServiceException,), {"__module__": f"moto.{service}.exceptions"})(code, message)


class Emulator:
    """A running emulator."""

    def __init__(self):
        self.ignored = set()
        logger = logging.getLogger("moto")
        logger.addFilter(self._note_ignored)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        # With port 0 the system chooses a free port.
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"

    def stop(self):
        self._server.stop()

    def _note_ignored(self, record):
        if record.msg.startswith("No Moto CloudFormation support"):
            self.ignored.update(record.args)
        return False

    def region(self, name):
        return Region(self, name)


class Region:
    """One region of the emulator."""

    def __init__(self, emulator, name):
        self.emulator, self.name = emulator, name

    def environment(self):
        """The variables with which the AWS CLI uses this region."""
        return CREDENTIALS | {"AWS_ENDPOINT_URL": self.emulator.url, "AWS_REGION": self.name}

    def client(self, service):
        return boto3.client(
            service,
            region_name=self.name,
            endpoint_url=self.emulator.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def backend(self, service):
        """moto's own state, for changes that no API call can make."""
        return get_backend(service)[ACCOUNT][self.name]

    def clear(self):
        for service in ("acm", "autoscaling", "cloudformation", "ec2", "ecr", "ecs", "elbv2", "logs", "sns"):
            self.backend(service).reset()

    def stack(self, name):
        return self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]

    def stacks(self):
        """The status of every stack, by name."""
        answer = self.client("cloudformation").describe_stacks()["Stacks"]
        return {stack["StackName"]: stack["StackStatus"] for stack in answer}

    def outputs(self, name):
        return {output["OutputKey"]: output["OutputValue"] for output in self.stack(name)["Outputs"]}

    def resources(self, stack):
        """The stack's resources: their physical ids by logical id."""
        answer = self.client("cloudformation").list_stack_resources(StackName=stack)
        return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in answer["StackResourceSummaries"]}

    def put_image(self, service, tag, manifest=None):
        """Registers an image in ECR, as a push would. Returns its digest."""
        manifest = manifest or json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": {"digest": "sha256:" + hashlib.sha256(tag.encode()).hexdigest(), "size": 1},
                "layers": [],
            }
        )
        digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
        self.client("ecr").put_image(
            repositoryName=service, imageManifest=manifest, imageTag=tag, imageDigest=digest
        )
        return digest

    def image(self, service):
        """The newest image of the service, with its digest."""
        digest = self.client("ecr").describe_images(repositoryName=service)["imageDetails"][-1]["imageDigest"]
        return f"{ACCOUNT}.dkr.ecr.{self.name}.amazonaws.com/{service}@{digest}"

    def create(self, stack, template, parameters=None):
        """Creates a stack without deploy/up, for tests of something other than its creation."""
        self.client("cloudformation").create_stack(
            StackName=stack,
            TemplateBody=template.read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in (parameters or {}).items()],
            Capabilities=["CAPABILITY_IAM"],
        )

    def bare_stack(self, name, status):
        """Creates a stack with a single resource and sets its status."""
        template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {}}}}
        self.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))
        self.backend("cloudformation").get_stack(name).status = status
