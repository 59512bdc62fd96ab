"""Sessions on a Spark that runs already.

Promise: a session has the requested settings, or an error gives the reason why it can't; the
settings of other sessions stay as they are. A secret among them is redacted in the event log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from blocks.iceberg.spark_extensions import ICEBERG_EXTENSIONS
from contracts.errors import SettingsError

__all__ = ["check", "conceal", "fitting", "give", "is_secret"]

_REDACTED = re.compile("(?i)secret|password|token|access[.]?key")
_shared: dict[tuple[str, frozenset[tuple[str, str]]], SparkSession] = {}


def check(running: SparkSession, master: str, packages: tuple[str, ...]) -> None:
    """Check that this Spark has the master, the extensions and the jars that are needed.

    Its size (memory, cores) is the decision of its starter and is not compared.

    Raises:
        SettingsError: It can't.
    """
    running_master = running.conf.get("spark.master") or ""
    if running_master.partition("[")[0] != master.partition("[")[0]:
        raise _other_spark(expected=f"master {master}", found=f"master {running_master}")
    if ICEBERG_EXTENSIONS not in (running.conf.get("spark.sql.extensions", "") or ""):
        raise _other_spark(expected="Iceberg's session extensions", found="none")
    loaded = {
        _artifact(jar) for jar in (running.conf.get("spark.jars.packages", "") or "").split(",")
    }
    missing = [jar for jar in packages if _artifact(jar) not in loaded]
    if missing:
        raise _other_spark(
            expected=f"the jars {', '.join(missing)}", found="a Spark that started without them"
        )


def is_secret(name: str) -> bool:
    """Whether Spark redacts a property of this name (spark.redaction.regex)."""
    return _REDACTED.search(name) is not None


def conceal(running: SparkSession, wanted: Mapping[str, str]) -> None:
    """Have the secrets among a session's properties redacted in the event log.

    Spark logs each job with its session's properties, and of these redacts only those that are in
    its start configuration too. So the names are added there, with a text in place of the secret.
    """
    start = running._jsc.sc().conf()  # noqa: SLF001 - there is no public way to add the names
    for name in filter(is_secret, wanted):
        start.setIfMissing(name, "each session has its own")


def fitting(running: SparkSession, wanted: Mapping[str, str], *, shared: bool) -> SparkSession:
    """A session with these properties: an earlier one, `running` itself, or a new one.

    Raises:
        SettingsError: A property can't be changed any more.
    """
    if not shared:
        return give(running.newSession(), wanted)
    key = (running.conf.get("spark.app.id") or "", frozenset(wanted.items()))
    if key not in _shared:
        fits = all(running.conf.get(name, None) == text for name, text in wanted.items())
        _shared[key] = running if fits else give(running.newSession(), wanted)
    return _shared[key]


def give(session: SparkSession, wanted: Mapping[str, str]) -> SparkSession:
    """Set what differs in this session.

    Raises:
        SettingsError: A property can't be changed any more.
    """
    for name, text in wanted.items():
        if session.conf.get(name, None) == text:
            continue
        try:
            session.conf.set(name, text)
        except AnalysisException:
            # Not `from error`: its text may contain the value.
            raise _other_spark(
                expected=f"`{name}` as the blocks say", found="another value"
            ) from None
    return session


def _artifact(coordinates: str) -> str:
    return coordinates.strip().rpartition(":")[0]


def _other_spark(*, expected: str, found: str) -> SettingsError:
    return SettingsError(
        where="the Spark that runs in this process",
        expected=expected,
        found=found,
        next_step="Stop that session first, or do this in a process of its own.",
    )
