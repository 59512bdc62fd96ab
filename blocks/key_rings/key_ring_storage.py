"""Where the wrapped keys of a ring are kept: a file of this machine, or an object in S3.

Promise: a change replaces the whole text at once, and only the text that it was made from: of two
processes that change it at the same time, the second one reads what the first one wrote.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from blocks.aws.aws_refusals import refusal_of
from blocks.operating_system.owner_only_file import locked, write_private
from contracts.errors import KeyServiceUnavailableError, KeyUnavailableError

__all__ = ["KeyRingFile", "KeyRingObject", "KeyRingStorage"]

Change = Callable[[str | None], str | None]
"""From the text as it is (None: there is none yet) to the new one (None: nothing changes)."""

_ATTEMPTS = 20
_CONFLICTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_MISSING = frozenset({"NoSuchKey", "404"})


class KeyRingStorage(ABC):
    """One text, and changes to it one after the other."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What errors call the place."""

    @abstractmethod
    def read(self) -> str | None:
        """The text; None if there is none yet.

        Raises:
            KeyUnavailableError: It can't be read.
            KeyServiceUnavailableError: The place does not answer.
        """

    @abstractmethod
    def change(self, change: Change) -> None:
        """Replace the text by what `change` makes of it, at once and durably.

        `change` may be called several times: anew on the text that another process wrote.

        Raises:
            KeyUnavailableError: It can't be read or written.
            KeyServiceUnavailableError: The place does not answer.
        """


@dataclass(frozen=True, slots=True)
class KeyRingFile(KeyRingStorage):
    """A file of mode 0600 on this machine, with a lock file beside it."""

    path: Path

    @property
    def name(self) -> str:
        """`key ring PATH`."""
        return f"key ring {self.path}"

    def read(self) -> str | None:
        """See `KeyRingStorage.read`."""
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except NotADirectoryError as error:
            raise self._no_folder(error) from None
        except (OSError, UnicodeDecodeError) as error:
            raise KeyUnavailableError(
                where=self.name,
                expected="a file with wrapped data keys",
                found=f"one that can't be read ({type(error).__name__})",
                next_step="Restore the file from its copy.",
            ) from None

    def change(self, change: Change) -> None:
        """See `KeyRingStorage.change`."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise self._no_folder(error) from None
        with locked(self.path.with_name(f"{self.path.name}.lock")):
            text = change(self.read())
            if text is not None:
                write_private(self.path, text)

    def _no_folder(self, error: OSError) -> KeyUnavailableError:
        return KeyUnavailableError(
            where=self.name,
            expected="a folder that can be made",
            found=error.strerror or type(error).__name__,
            next_step="Correct the path in the key ring's block.",
        )


@dataclass(frozen=True, slots=True)
class KeyRingObject(KeyRingStorage):
    """An object in S3, replaced by conditional writes (`If-Match`, `If-None-Match`).

    Attributes:
        bucket: The bucket; versioning keeps the earlier texts, encrypted keys that were destroyed
            among them.
        key: The object's key.
        client: A boto3 client of S3; its methods are made at run time.
    """

    bucket: str
    key: str
    client: Any = field(repr=False)

    @property
    def name(self) -> str:
        """`key ring s3://BUCKET/KEY`."""
        return f"key ring s3://{self.bucket}/{self.key}"

    def read(self) -> str | None:
        """See `KeyRingStorage.read`."""
        found = self._get()
        return None if found is None else found[0]

    def change(self, change: Change) -> None:
        """See `KeyRingStorage.change`."""
        for attempt in range(_ATTEMPTS):
            found = self._get()
            text = change(None if found is None else found[0])
            if text is None or self._put(text, None if found is None else found[1]):
                return
            time.sleep(0.05 * attempt)
        raise KeyServiceUnavailableError(
            where=self.name,
            expected="a moment at which no other process changes it",
            found=f"{_ATTEMPTS} conflicting changes",
            next_step="Run it again. Nothing was changed.",
        )

    def _get(self) -> tuple[str, str] | None:
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self.key)
            return answer["Body"].read().decode(), answer["ETag"]
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise self._error(error) from None
        except (BotoCoreError, UnicodeDecodeError) as error:
            raise self._error(error) from None

    def _put(self, text: str, replaces: str | None) -> bool:
        """Whether the object was still the one with that ETag (None: still missing)."""
        condition = {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces}
        try:
            self.client.put_object(
                Bucket=self.bucket,
                Key=self.key,
                Body=text.encode(),
                ContentType="application/json",
                ChecksumAlgorithm="SHA256",
                **condition,
            )
        except ClientError as error:
            if _code(error) in _CONFLICTS:
                return False
            raise self._error(error) from None
        except BotoCoreError as error:
            raise self._error(error) from None
        return True

    def _error(self, error: Exception) -> Exception:
        found, next_step = type(error).__name__, ""
        passes = isinstance(error, BotoCoreError)
        if isinstance(error, ClientError):
            meaning = refusal_of(
                _code(error),
                error.response.get("ResponseMetadata", {}).get("HTTPStatusCode"),
                str(error.response.get("Error", {}).get("Message")),
            )
            found, passes, next_step = meaning.found, meaning.passes, meaning.next_step
        if passes:
            return KeyServiceUnavailableError(
                where=self.name,
                expected="an answer of S3",
                found=found,
                next_step="Run it again; check the network and the credentials if it stays so.",
            )
        return KeyUnavailableError(
            where=self.name,
            expected="an object that these credentials may read and write",
            found=found,
            next_step="Check the bucket, its policy, and `location` in the key ring's block. "
            + next_step,
        )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
