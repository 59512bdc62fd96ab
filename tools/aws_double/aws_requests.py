"""From an HTTP request to the call that AWS would see: operation, rights, resources.

Sources: the Service Authorization Reference (actions, and the resources that each is checked
against) and the API references of S3, Glue, KMS, Secrets Manager and EMR Serverless.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree as ET

__all__ = ["ACCOUNT", "Call", "Right", "call_of", "needs_body"]

ACCOUNT = "123456789012"
"""moto's own account."""

_CREDENTIAL = re.compile(r"Credential=([^/,]+)/\d+/([^/]*)/([^/]+)/aws4_request")
_EMR = re.compile(
    r"^/applications/(?P<app>[^/]+)/jobruns(?:/(?P<run>[^/]+)(?P<page>/dashboard)?)?$"
)


@dataclass(frozen=True, slots=True)
class Right:
    """One action on one resource, as a policy has to allow it."""

    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        service: As credentials are scoped, such as `s3`.
        operation: As the API names it, such as `GetObject`.
        region: The one that the request was signed for.
        key_id: The access key that signed it; empty for nobody.
        rights: What its caller must be allowed, all of it.
        bucket: Of S3, else empty.
        key: Of S3, else empty.
        table: Of Glue, `database.table`, else empty.
        body: The JSON document of the request, where it has one.
        headers: In lower case.
    """

    service: str
    operation: str
    region: str
    key_id: str
    rights: tuple[Right, ...] = ()
    bucket: str = ""
    key: str = ""
    table: str = ""
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """`service:Operation`."""
        return f"{self.service}:{self.operation}"


def needs_body(environ: Mapping[str, Any]) -> bool:
    """Whether the call is in the body: JSON, a form, or a list of objects to delete."""
    _, _, service = _signed_by(environ)
    return service != "s3" or (environ["REQUEST_METHOD"] == "POST" and "delete" in _query(environ))


def call_of(environ: Mapping[str, Any], body: bytes) -> Call:
    """The call of a WSGI request.

    Args:
        environ: The request.
        body: Its body, if `needs_body`.
    """
    key_id, region, service = _signed_by(environ)
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(text)
        for name, text in environ.items()
        if name.startswith("HTTP_")
    }
    common: dict[str, Any] = {
        "service": service,
        "region": region,
        "key_id": key_id,
        "headers": headers,
    }
    if service == "s3":
        return _s3(environ, body, headers, common)
    if service == "sts":
        operation = parse_qs(body.decode()).get("Action", ["?"])[0]
        return Call(operation=operation, **common)
    document = json.loads(body) if body.strip().startswith(b"{") else {}
    if service == "emr-serverless":
        return _emr(environ, document, common)
    target = headers.get("x-amz-target", "")
    operation = target.rpartition(".")[2] or str(environ["PATH_INFO"]).strip("/")
    rights = _JSON.get(service, _anything)(operation, document, region)
    table = ""
    if service == "glue":
        name = document.get("TableInput", {}).get("Name") or document.get("Name", "")
        table = f"{document['DatabaseName']}.{name}" if "DatabaseName" in document else ""
    return Call(operation=operation, rights=rights, table=table, body=document, **common)


def _signed_by(environ: Mapping[str, Any]) -> tuple[str, str, str]:
    found = _CREDENTIAL.search(str(environ.get("HTTP_AUTHORIZATION", "")))
    return ("", "", "s3") if found is None else (found[1], found[2], found[3])


def _query(environ: Mapping[str, Any]) -> dict[str, list[str]]:
    return parse_qs(str(environ.get("QUERY_STRING", "")), keep_blank_values=True)


def _s3(
    environ: Mapping[str, Any], body: bytes, headers: Mapping[str, str], common: dict[str, Any]
) -> Call:
    bucket, _, key = unquote(str(environ["PATH_INFO"]).lstrip("/")).partition("/")
    query, method = _query(environ), str(environ["REQUEST_METHOD"])
    keys = [key]
    if not key:
        operation = _of_bucket(method, query)
        if operation == "DeleteObjects":
            keys = [
                each.text or ""
                for each in ET.fromstring(body).iter()  # noqa: S314 - of our own client
                if each.tag.rpartition("}")[2] == "Key"
            ]
    else:
        operation = _of_object(method, query)
    actions = [_S3_ACTIONS.get(operation, f"s3:{operation}")]
    if operation == "PutObject" and "x-amz-object-lock-mode" in headers:
        actions.append("s3:PutObjectRetention")
    if "x-amz-tagging" in headers:
        actions.append("s3:PutObjectTagging")
    of_object = bool(key) or operation == "DeleteObjects"
    names = [f"{bucket}/{each}" for each in keys] if of_object else [bucket]
    rights = tuple(Right(act, f"arn:aws:s3:::{name}") for act in actions for name in names)
    return Call(operation=operation, rights=rights, bucket=bucket, key=key, **common)


def _of_bucket(method: str, query: Mapping[str, Any]) -> str:
    if method == "POST" and "delete" in query:
        return "DeleteObjects"
    if method == "GET":
        for word, operation in _BUCKET_READS.items():
            if word in query:
                return operation
        return "ListObjectsV2"
    return {"HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}[method]


_BUCKET_READS = {
    "object-lock": "GetObjectLockConfiguration",
    "versions": "ListObjectVersions",
    "location": "GetBucketLocation",
    "versioning": "GetBucketVersioning",
}


def _of_object(method: str, query: Mapping[str, Any]) -> str:
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
    if method == "PUT":
        return "UploadPart" if "partNumber" in query else "PutObject"
    if method == "DELETE":
        return "AbortMultipartUpload" if "uploadId" in query else "DeleteObject"
    return {"GET": "GetObject", "HEAD": "HeadObject"}[method]


_S3_ACTIONS = {
    "HeadObject": "s3:GetObject",
    "UploadPart": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "DeleteObjects": "s3:DeleteObject",
    "ListObjectsV2": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
}


def _glue(operation: str, document: Mapping[str, Any], region: str) -> tuple[Right, ...]:
    """Glue asks for the right on the table and on all above it."""
    arn = f"arn:aws:glue:{region}:{ACCOUNT}:"
    resources = [f"{arn}catalog"]
    database = document.get("DatabaseName") or (
        document.get("DatabaseInput", {}).get("Name") or document.get("Name")
        if "Database" in operation
        else None
    )
    if operation == "GetDatabases":
        database = "*"
    if database is not None:
        resources.append(f"{arn}database/{database}")
    if "Table" in operation:
        name = document.get("TableInput", {}).get("Name") or document.get("Name") or "*"
        resources.append(f"{arn}table/{database}/{name}")
    return tuple(Right(f"glue:{operation}", each) for each in resources)


def _kms(operation: str, document: Mapping[str, Any], region: str) -> tuple[Right, ...]:
    if operation == "ReEncrypt":
        return (
            Right("kms:ReEncryptFrom", _key(document.get("SourceKeyId", "*"), region)),
            Right("kms:ReEncryptTo", _key(document["DestinationKeyId"], region)),
        )
    return (Right(f"kms:{operation}", _key(document.get("KeyId", "*"), region)),)


def _key(reference: str, region: str) -> str:
    whole = reference.startswith(("arn:", "*"))
    return reference if whole else f"arn:aws:kms:{region}:{ACCOUNT}:key/{reference}"


def _secret(operation: str, document: Mapping[str, Any], region: str) -> tuple[Right, ...]:
    # The service adds six characters to a secret's name.
    name = f"arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{document.get('SecretId')}-AbCdEf"
    return (Right(f"secretsmanager:{operation}", name),)


def _anything(operation: str, _document: Mapping[str, Any], _region: str) -> tuple[Right, ...]:
    return (Right(f"?:{operation}", "*"),)


def _lake_formation(operation: str, _document: object, _region: str) -> tuple[Right, ...]:
    return (Right(f"lakeformation:{operation}", "*"),)


_JSON = {
    "glue": _glue,
    "kms": _kms,
    "secretsmanager": _secret,
    "lakeformation": _lake_formation,
}


def _emr(environ: Mapping[str, Any], document: dict[str, Any], common: dict[str, Any]) -> Call:
    found = _EMR.match(str(environ["PATH_INFO"]))
    if found is None:
        return Call(operation="?", rights=(Right("emr-serverless:?", "*"),), **common)
    method, run = environ["REQUEST_METHOD"], found["run"]
    operation = {
        ("POST", False): "StartJobRun",
        ("GET", False): "ListJobRuns",
        ("GET", True): "GetDashboardForJobRun" if found["page"] else "GetJobRun",
        ("DELETE", True): "CancelJobRun",
    }[method, run is not None]
    arn = f"arn:aws:emr-serverless:{common['region']}:{ACCOUNT}:/applications/{found['app']}"
    resource = arn if run is None else f"{arn}/jobruns/{run}"
    rights = [Right(f"emr-serverless:{operation}", resource)]
    if operation == "StartJobRun":
        # Whoever starts a job hands over the role that it runs as.
        rights.append(Right("iam:PassRole", document["executionRoleArn"]))
    return Call(operation=operation, rights=tuple(rights), body=document, **common)
