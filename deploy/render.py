#!/usr/bin/env python3
"""Renders deploy/task-definitions/NAME.json from service.yaml and services/NAME.json.

usage: deploy/render.py        (needs PyYAML)

What it writes is what `aws ecs register-task-definition --cli-input-json file://…` takes, for teams whose pipelines deploy
task definitions without CloudFormation. What only an account knows stays as a placeholder in angle brackets, which AWS
refuses when it is forgotten: <account>, <region>, <digest>, <task-role-arn>, <execution-role-arn>. The two roles are
outputs of the service's stack.
"""

import json
import re
from pathlib import Path

import yaml

DEPLOY = Path(__file__).resolve().parent

# These are numbers in the API. CloudFormation also takes them as text.
NUMBERS = {"cpu", "memory", "containerPort", "hostPort"}


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms: `!Ref X` becomes `{"Ref": "X"}`, `!Sub X` becomes `{"Fn::Sub": "X"}`."""


def _function(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", _function)


def template(path):
    """The parsed CloudFormation template at `path`."""
    return yaml.load(path.read_text(), Loader)  # noqa: S506, a SafeLoader


def parameters(path):
    """The parameters in a services/NAME.json, by name."""
    return json.loads(path.read_text())["Parameters"]


def resolve(value, known):
    """`value` with Ref, Fn::Sub and Fn::GetAtt replaced by their values in `known` ("Logical.Attribute" for GetAtt)."""
    if isinstance(value, list):
        return [resolve(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        return known[value["Ref"]]
    if set(value) == {"Fn::GetAtt"}:
        return known[".".join(value["Fn::GetAtt"])]
    if set(value) == {"Fn::Sub"}:
        return re.sub(r"\$\{([^}]+)\}", lambda name: known[name[1]], value["Fn::Sub"])
    return {key: resolve(item, known) for key, item in value.items()}


def api_form(value):
    """CloudFormation's property names as the ECS API writes them: with a lower-case first letter."""
    if isinstance(value, list):
        return [api_form(item) for item in value]
    if not isinstance(value, dict):
        return value
    form = {}
    for key, item in value.items():
        name = key[0].lower() + key[1:]
        # The names of the log driver's options stay as they are.
        form[name] = item if name == "options" else int(item) if name in NUMBERS else api_form(item)
    return form


def task_definition(service, environment="forum"):
    """The task definition of `service` in the form of the ECS API."""
    known = parameters(DEPLOY / "services" / f"{service}.json") | {
        "Name": environment,
        "Image": f"<account>.dkr.ecr.<region>.amazonaws.com/{service}@sha256:<digest>",
        "LogGroup": f"/{environment}/{service}",
        "AWS::Region": "<region>",
        "TaskRole.Arn": "<task-role-arn>",
        "ExecutionRole.Arn": "<execution-role-arn>",
    }
    resources = template(DEPLOY / "service.yaml")["Resources"]
    return api_form(resolve(resources["TaskDefinition"]["Properties"], known))


def rendered():
    """The text of every task definition, by path."""
    return {
        DEPLOY / "task-definitions" / path.name: json.dumps(task_definition(path.stem), indent=2) + "\n"
        for path in sorted((DEPLOY / "services").glob("*.json"))
    }


if __name__ == "__main__":
    for path, text in rendered().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        print(path.relative_to(DEPLOY.parent))
