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

from blocks.aws.aws_refusals import refusal_of
from contracts.errors import SecretServiceUnavailableError, SettingsError

__all__ = ["Login", "login_of_secret"]


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
    found = type(error).__name__
    if isinstance(error, ClientError):
        told = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        meaning = refusal_of(str(told.get("Code", found)), status, str(told.get("Message")))
        found = meaning.found
        if not meaning.passes:
            return SettingsError(
                where=where,
                expected="a secret that these credentials may read",
                found=found,
                next_step="Check its name and region, and the rights secretsmanager:GetSecretValue "
                f"and, of a key of your own, kms:Decrypt. {meaning.next_step}",
            )
    return SecretServiceUnavailableError(
        where=where,
        expected="an answer of AWS Secrets Manager",
        found=found,
        next_step="Run it again; check the network and the credentials if it stays so.",
    )
