"""Who logs in to a source, also where AWS Secrets Manager keeps the password.

Promise: an error names the secret and what AWS said of it, never what is in it.

A secret is the password itself, or the JSON object that Amazon's rotation of passwords keeps (AWS
Secrets Manager, "JSON structure of AWS Secrets Manager database credential secrets").
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError
from prefect_aws import AwsSecret

from contracts.errors import SecretServiceUnavailableError, SettingsError

__all__ = ["Login", "login_of_secret"]

_UNAVAILABLE = frozenset(
    {
        "InternalServiceError",
        "InternalServiceErrorException",
        "InternalFailure",
        "RequestTimeout",
        "ServiceUnavailable",
        "ThrottlingException",
        "Throttling",
    }
)
"""Codes of Secrets Manager after which the same call may succeed later."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user and the password."""

    user: str
    password: str = field(repr=False)


def login_of_secret(secret: AwsSecret, *, user: str) -> Login:
    """The login that a secret has.

    Args:
        secret: The block that names it.
        user: The user where the block of the source names one, else empty.

    Raises:
        SettingsError: It is not there, not ours to read, or names no user or no password.
        SecretServiceUnavailableError: The service does not answer.
    """
    where = f"secret {secret.secret_name} in AWS Secrets Manager"
    text = _text(secret, where)
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        document = {"password": text}
    name, password = user or document.get("username"), document.get("password")
    if not (isinstance(name, str) and name and isinstance(password, str) and password):
        missing = "password" if name else "user"
        raise SettingsError(
            where=where,
            expected="a password as text, or an object with username and password",
            found=f"no {missing}",
            next_step="Correct the secret, or name the user in the block of the source.",
        )
    return Login(name, password)


def _text(secret: AwsSecret, where: str) -> str:
    credentials = secret.aws_credentials
    try:
        client = credentials.get_boto3_session().client(
            "secretsmanager", **credentials.aws_client_parameters.get_params_override()
        )
        answer = client.get_secret_value(SecretId=secret.secret_name)
    except (ClientError, BotoCoreError) as error:
        # Not `from error`: boto's own text may repeat the request.
        raise _refusal(error, where) from None
    if "SecretString" in answer:
        return str(answer["SecretString"])
    try:
        return bytes(answer["SecretBinary"]).decode()
    except UnicodeDecodeError:
        return ""


def _refusal(
    error: ClientError | BotoCoreError, where: str
) -> SettingsError | SecretServiceUnavailableError:
    code = type(error).__name__
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", code))
        if code not in _UNAVAILABLE:
            return SettingsError(
                where=where,
                expected="a secret that these credentials may read",
                found=code,
                next_step="Check its name and region, and the rights secretsmanager:GetSecretValue "
                "and, of a key of your own, kms:Decrypt.",
            )
    return SecretServiceUnavailableError(
        where=where,
        expected="an answer of AWS Secrets Manager",
        found=code,
        next_step="Run it again; check the network and the credentials if it stays so.",
    )
