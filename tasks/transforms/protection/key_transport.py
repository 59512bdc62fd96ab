"""How data keys reach the Python workers that use them: wrapped, and never in the clear.

Promise: what is pickled into a function, and so into a plan, a task or a spilled broadcast, is a
wrapped key (RFC 3394). The transport key that opens it is another one in each process. It reaches
the workers as a file of the Spark session that only their account can read, and that ends with the
application. Neither of the two shows a data key.
"""

from __future__ import annotations

import atexit
import contextlib
import secrets
import shutil
import tempfile
import threading
import weakref
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)
from pyspark import SparkFiles
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from contracts.errors import KeyUnavailableError, SettingsError
from contracts.model.encryption_keys import DataKey

__all__ = ["CarriedSecret", "carried", "carried_data_key", "provide_transport_key"]

_KEY_OCTETS = 32
_LOCK = threading.Lock()
_PROVIDED: weakref.WeakSet[SparkSession] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class CarriedSecret:
    """Key material as it travels to the workers.

    Attributes:
        name: What errors call it: a key's id.
        wrapped: The material, wrapped by the transport key.
        file: The name of the session's file with the transport key.
    """

    name: str
    wrapped: bytes = field(repr=False)
    file: str

    def opened(self) -> bytes:
        """The material; called in a worker, or in the process that wrapped it.

        Raises:
            KeyUnavailableError: The session has no such file, or another key in it.
        """
        try:
            return aes_key_unwrap(_transport_key(self.file), self.wrapped)
        except (OSError, InvalidUnwrap, ValueError) as error:
            raise KeyUnavailableError(
                where=f"data key {self.name}, in a Spark worker",
                expected="the transport key of the process that planned the query",
                found=f"none that opens it ({type(error).__name__})",
                next_step="Run the query in the process and the session that planned it.",
            ) from None


def carried(name: str, material: bytes) -> CarriedSecret:
    """Key material for a function that Spark runs; at least 16 octets, a multiple of eight.

    Gives the active session the transport key, if there is one.
    """
    # Without a session, what is made here is called in this process alone.
    with contextlib.suppress(PySparkRuntimeError):
        provide_transport_key(SparkSession.active())
    path, transport_key = _own()
    return CarriedSecret(name, aes_key_wrap(transport_key, material), path.name)


def carried_data_key(key: DataKey, octets: int) -> CarriedSecret:
    """A data key for a function that Spark runs.

    Raises:
        SettingsError: It is not so many octets long.
    """
    if len(key.material) != octets:
        raise SettingsError(
            where=f"data key {key.id}",
            expected=f"{octets} octets of key material",
            found=f"{len(key.material)} octets",
            next_step="Make a new data key with the key ring.",
        )
    return carried(key.id, key.material)


def provide_transport_key(spark: SparkSession) -> None:
    """Give the session the transport key of this process; repeated, it does nothing.

    Over Spark Connect each session has files of its own, so one that is not active when a function
    is made needs this call before the query runs.
    """
    path, _ = _own()
    with _LOCK:
        if spark not in _PROVIDED:
            spark.addArtifacts(str(path), file=True)
            _PROVIDED.add(spark)


@cache
def _own() -> tuple[Path, bytes]:
    """The file and the transport key of this process, made at the first call.

    The file stays as long as the process: executors fetch it from here when they start.
    """
    folder = Path(tempfile.mkdtemp(prefix="strandline-"))  # of mode 0700
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path, key = folder / f"transport-{secrets.token_hex(8)}", secrets.token_bytes(_KEY_OCTETS)
    path.touch(mode=0o600)
    path.write_bytes(key)
    _TRANSPORT_KEYS[path.name] = key
    return path, key


_TRANSPORT_KEYS: dict[str, bytes] = {}


def _transport_key(name: str) -> bytes:
    if name not in _TRANSPORT_KEYS:
        path = Path(SparkFiles.get(name))
        # Over Spark Connect each session has a folder of its own. Where two sessions plan at the
        # same time, a broadcast of one may run with the folder of the other.
        places = (path, path.parents[1] / name, *path.parents[1].glob(f"*/{name}"))
        found = next((each for each in places if each.is_file()), path)
        _TRANSPORT_KEYS[name] = found.read_bytes()
    return _TRANSPORT_KEYS[name]
