"""Reads a service's API document, so that the tests need no table of the services."""

import re
from urllib.parse import quote

from engine import get


def document(address, service):
    return get(address, f"/api/{service}/openapi.json")[1]


def example(address, service):
    """The body with which a client creates a record, from the document's example."""
    schemas = document(address, service)["components"]["schemas"]
    (record,) = [schema["examples"][0] for schema in schemas.values() if "examples" in schema]
    return {member: value for member, value in record.items() if member not in ("id", "createdAt", "updatedAt")}


def lists_with(address, service, record):
    """The targets of all filtered lists that contain this record."""
    paths, collection = document(address, service)["paths"], f"/api/{service}"
    queries = [parameter["name"] for parameter in paths[collection]["get"]["parameters"] if parameter["in"] == "query"]
    targets = [f"{collection}?{member}={quote(str(record[member]))}" for member in queries if member in record]
    for path in paths:
        # `/api/posts/in-thread/{threadId}` filters by the member `thread`.
        if found := re.fullmatch(r"(.*/)\{(\w+)Id\}", path):
            targets.append(f"{found[1]}{record[found[2]]}")
    return targets
