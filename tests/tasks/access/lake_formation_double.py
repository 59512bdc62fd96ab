"""A double of AWS Lake Formation that keeps data cells filters, and the clients that speak to it.

moto lists no filter and creates none.
"""

from __future__ import annotations

import json

import boto3
from botocore.awsrequest import AWSResponse

from tasks.access.lake_formation_filters import GlueTable, apply_filters
from tasks.compiler.compile_role_rights import compile_role_rights
from tests.tasks.access.matrix import COLUMNS, contract_with

TABLE = GlueTable("123456789012", "wards", "matrix")
NAMES = [column.name for column in COLUMNS]


class LakeFormation:
    """Keeps filters, writes down what changes them, and may refuse."""

    def __init__(self, page=2):
        self.filters, self.sent, self.refusal, self.page = {}, [], None, page
        self.client = client("https://lakeformation.eu-west-1.amazonaws.com")
        self.client.meta.events.register("before-send.lakeformation.*", self.answer)

    def answer(self, request, **_):
        operation = request.url.rpartition("/")[2]
        body = json.loads(request.body)
        if self.refusal is not None:
            status, code = self.refusal
            return response(status, {"__type": code, "message": "no"})
        if operation == "ListDataCellsFilter":
            start = int(body.get("NextToken", 0))
            entries = [*self.filters.values()]
            more = {"NextToken": str(start + self.page)} if start + self.page < len(entries) else {}
            return response(200, {"DataCellsFilters": entries[start : start + self.page], **more})
        entry = body.get("TableData", body)
        self.sent.append((operation, entry["Name"]))
        if operation == "DeleteDataCellsFilter":
            del self.filters[entry["Name"]]
        else:
            assert (operation == "CreateDataCellsFilter") == (entry["Name"] not in self.filters)
            self.filters[entry["Name"]] = entry
        return response(200, {})

    def apply(self, *roles, columns=NAMES):
        plans = []
        rights = compile_role_rights(contract_with(roles))
        done = apply_filters(self.client, TABLE, rights, columns, plans.append)
        assert plans == ([done] if done.changes else [])
        return done


def client(endpoint, service="lakeformation"):
    return boto3.client(
        service,
        region_name="eu-west-1",
        endpoint_url=endpoint,
        aws_access_key_id="k",
        aws_secret_access_key="s",  # noqa: S106
    )


def response(status, body):
    class Raw:
        def stream(self, **_):
            yield json.dumps(body).encode()

    answer = AWSResponse("https://x", status, {"Content-Type": "application/json"}, Raw())
    if status >= 300:
        answer.headers["x-amzn-ErrorType"] = body["__type"]
    return answer
