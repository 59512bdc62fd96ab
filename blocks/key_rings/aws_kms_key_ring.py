"""A key ring whose key-encryption key never leaves AWS KMS.

Promise: KMS gives out a data key only for its table, purpose and id (the encryption context), and
its own log, CloudTrail, names them with each use. The list of wrapped keys is in S3 or in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError
from prefect_aws import AwsCredentials
from pydantic import Field, PrivateAttr, SecretStr

from blocks.aws.aws_refusals import refusal_of
from blocks.key_rings.key_ring import KeyRing
from blocks.key_rings.key_ring_storage import KeyRingFile, KeyRingObject, KeyRingStorage
from blocks.key_rings.wrapped_key import KeyContext, WrappedKey
from contracts.errors import (
    KeyServiceUnavailableError,
    KeyUnavailableError,
    StrandlineError,
)

__all__ = ["AwsKmsKeyRing"]

_S3 = "s3://"


class AwsKmsKeyRing(KeyRing):
    """Data keys of each table, wrapped by a symmetric key of AWS KMS.

    The credentials need `kms:GenerateDataKey`, `kms:Encrypt` and `kms:Decrypt` on the key, for
    `strandline keys rewrap` also `kms:ReEncryptFrom` and `kms:ReEncryptTo`; and of a list in S3
    `s3:GetObject`, `s3:PutObject` and `s3:ListBucket`.

    Example:
        Load the block and make a table's keys, or find those made before:
        ```python
        from blocks.key_rings.aws_kms_key_ring import AwsKmsKeyRing

        ring = AwsKmsKeyRing.load("BLOCK_NAME")
        keys = ring.keys_for("lake.crm.customers", create=True)
        ```
    """

    _block_type_name = "Strandline AWS KMS Key Ring"
    _block_type_slug = "strandline-aws-kms-key-ring"

    kind: Literal["aws-kms-key-ring"] = Field(
        default="aws-kms-key-ring", description="The name of its type in block files."
    )
    aws_credentials: AwsCredentials = Field(
        default_factory=AwsCredentials, description="Who may use the key, in which region."
    )
    key_id: str = Field(
        min_length=1,
        description="The key of KMS: its ARN, its id, or an alias. An ARN is the clearest.",
    )
    location: str = Field(
        min_length=1,
        description="Where the list of wrapped keys is kept: s3://BUCKET/KEY, or a path.",
    )

    _clients: dict[str, Any] = PrivateAttr(default_factory=dict)

    def storage(self) -> KeyRingStorage:
        """The object in S3, or the file."""
        if not self.location.startswith(_S3):
            return KeyRingFile(Path(self.location))
        bucket, _, key = self.location.removeprefix(_S3).partition("/")
        if not bucket or not key:
            raise KeyUnavailableError(
                where=f"key ring {self.location}",
                expected="s3://BUCKET/KEY",
                found="no bucket, or no key",
                next_step="Correct `location` in the key ring's block.",
            )
        return KeyRingObject(bucket, key, self._client("s3"))

    @property
    def wrapping_key_id(self) -> str:
        """`kms:` and the key as the block names it."""
        return f"kms:{self.key_id}"

    def new_key(self, context: KeyContext) -> WrappedKey:
        """A new data key, made by KMS (`GenerateDataKey`)."""
        answer = self._call(
            "generate_data_key",
            context,
            KeyId=self.key_id,
            NumberOfBytes=context.purpose.key_bytes,
            EncryptionContext=context.as_mapping(),
        )
        return WrappedKey(answer["CiphertextBlob"], self.wrapping_key_id)

    def wrap(self, material: bytes, context: KeyContext) -> WrappedKey:
        """See `KeyRing.wrap`; `Encrypt`."""
        answer = self._call(
            "encrypt",
            context,
            KeyId=self.key_id,
            Plaintext=material,
            EncryptionContext=context.as_mapping(),
        )
        return WrappedKey(answer["CiphertextBlob"], self.wrapping_key_id)

    def unwrap(self, wrapped: WrappedKey, context: KeyContext) -> bytes:
        """See `KeyRing.unwrap`; `Decrypt`, which is told the key, so that no other one is used."""
        answer = self._call(
            "decrypt",
            context,
            KeyId=self._key_of(wrapped, context),
            CiphertextBlob=wrapped.octets,
            EncryptionContext=context.as_mapping(),
        )
        material: bytes = answer["Plaintext"]
        return material

    def rewrapped(self, wrapped: WrappedKey, context: KeyContext, to: KeyRing) -> WrappedKey:
        """See `KeyRing.rewrapped`; from KMS to KMS the data key does not leave it (`ReEncrypt`)."""
        if not isinstance(to, AwsKmsKeyRing):
            return super().rewrapped(wrapped, context, to)
        answer = self._call(
            "re_encrypt",
            context,
            CiphertextBlob=wrapped.octets,
            SourceKeyId=self._key_of(wrapped, context),
            SourceEncryptionContext=context.as_mapping(),
            DestinationKeyId=to.key_id,
            DestinationEncryptionContext=context.as_mapping(),
        )
        return WrappedKey(answer["CiphertextBlob"], to.wrapping_key_id)

    def with_key_encryption_key(self, reference: SecretStr) -> AwsKmsKeyRing:
        """This ring with that key of KMS: its ARN, id or alias."""
        return AwsKmsKeyRing(
            aws_credentials=self.aws_credentials,
            key_id=reference.get_secret_value(),
            location=self.location,
            use_limit=self.use_limit,
            period=self.period,
        )

    def _key_of(self, wrapped: WrappedKey, context: KeyContext) -> str:
        kind, _, key_id = (wrapped.wrapped_by or "").partition(":")
        if kind != "kms" or not wrapped.bound:
            raise KeyUnavailableError(
                where=f"key ring {self.location}, data key {context.key_id} of {context.table}",
                expected="a key that AWS KMS wrapped",
                found=f"one that the key {wrapped.wrapped_by or 'of a file'} wrapped",
                next_step="Rewrap it from the block that opens it: strandline keys rewrap --help",
            )
        return key_id

    def _client(self, service: str) -> Any:
        """A client for as long as the block lives, which is a run."""
        if service not in self._clients:
            session = self.aws_credentials.get_boto3_session()
            self._clients[service] = session.client(
                service, **self.aws_credentials.aws_client_parameters.get_params_override()
            )
        return self._clients[service]

    def _call(self, operation: str, context: KeyContext, **request: Any) -> Mapping[str, Any]:
        try:
            call: Callable[..., Mapping[str, Any]] = getattr(self._client("kms"), operation)
            return call(**request)
        except (ClientError, BotoCoreError) as error:
            # Not `from error`: boto's own text may repeat the request.
            raise self._error_of(operation, context, error) from None

    def _error_of(
        self, operation: str, context: KeyContext, error: ClientError | BotoCoreError
    ) -> StrandlineError:
        code, passes, step = type(error).__name__, True, ""
        found = code
        if isinstance(error, ClientError):
            told = error.response.get("Error", {})
            code = str(told.get("Code", code))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            meaning = refusal_of(code, status, str(told.get("Message")))
            found, passes, step = meaning.found, meaning.passes, meaning.next_step
        where = f"key ring {self.location}, data key {context.key_id} of {context.table}"
        call = "".join(word.title() for word in operation.split("_"))
        if passes:
            return KeyServiceUnavailableError(
                where=where,
                expected=f"an answer of AWS KMS to {call}",
                found=found,
                next_step="Run it again; check the network and the credentials if it stays so.",
            )
        return KeyUnavailableError(
            where=where,
            expected=f"that AWS KMS does {call} with the table, purpose and id of the key",
            found=found,
            next_step=_NEXT_STEPS.get(
                code, f"Check the key, its policy, and what these credentials may do. {step}"
            ),
        )


_NEXT_STEPS = {
    "InvalidCiphertextException": "The wrapped key was changed, or is another table's: restore "
    "the list from its copy.",
    "IncorrectKeyException": "The wrapped key was changed, or is another table's: restore the "
    "list from its copy.",
    "DisabledException": "Enable the key in AWS KMS.",
    "KMSInvalidStateException": "Cancel the deletion of the key in AWS KMS, or enable it.",
    "NotFoundException": "Correct `key_id` and the region in the key ring's block.",
}
