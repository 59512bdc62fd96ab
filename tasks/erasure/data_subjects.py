"""Data subjects (GDPR, article 4(1)) as somebody names them, and the rows about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from blocks.run_settings import RunSettings
from contracts.errors import UsageError
from contracts.model import Contract
from contracts.model.encryption_keys import ProtectionKeys, deterministic_owner
from tasks.transforms.protection.column_protection import ColumnProtection, compile_protection
from tasks.transforms.subject_digests import SUBJECT_DIGEST, subjects_of_texts, untyped_columns
from tasks.transforms.subject_rows import stored_subjects, with_subjects


@dataclass(frozen=True, slots=True)
class DataSubjects:
    """Persons of one table.

    Attributes:
        settings: The settings with the key ring.
        contract: The contract of the table.
        columns: The subject columns.
        frame: The persons: `SUBJECT_DIGEST`, and the columns as rows are compared with them. Lazy,
            and evaluated anew by each query; nothing of it is stored.
    """

    settings: RunSettings
    contract: Contract
    columns: tuple[str, ...]
    frame: DataFrame

    def rows_about(self, rows: DataFrame) -> DataFrame:
        """The rows about them, as `marked` gives them."""
        return self.marked(rows).where(F.col(SUBJECT_DIGEST).isNotNull())

    def marked(self, rows: DataFrame) -> DataFrame:
        """All rows as they are, with `SUBJECT_DIGEST`, which is null where a row is about others.

        `rows` are rows of the target, of its kept events or of a stage, in stored form.

        Raises:
            KeyUnavailableError: A column is encrypted, and no key of the ring made its token.
        """
        protection = compile_protection(self.contract)
        opening = {}
        if any(name in protection.encrypted for name in self.columns):
            opening = dict(self.settings.key_ring.decryption_keys(self.contract.target))
        return with_subjects(
            rows, self.frame, self.columns, protection, opening, table=self.contract.target
        )


def data_subjects(
    spark: SparkSession,
    settings: RunSettings,
    contract: Contract,
    subjects: Sequence[Mapping[str, str]],
) -> DataSubjects:
    """The persons, given the text of each subject column of each of them.

    Raises:
        UsageError: There is none, a column is missing or none of the contract's subject columns,
            or a text is no value of its column.
        KeyUnavailableError: The key ring has no key of the table.
    """
    columns = contract.subject_columns
    kinds = {name: contract.column(name).type for name in columns}
    if not subjects or any(set(each) != set(columns) for each in subjects):
        raise _not_a_person(contract, kinds, "something else")
    wrong = untyped_columns(spark, subjects, kinds)
    if wrong:
        raise _not_a_person(contract, kinds, f"no value of {', '.join(wrong)}")
    protection = compile_protection(contract)
    keys = _keys(settings, contract, protection)
    typed = subjects_of_texts(spark, subjects, kinds)
    frame = stored_subjects(typed, columns, protection, keys, table=contract.target)
    return DataSubjects(settings, contract, columns, frame)


def _keys(
    settings: RunSettings, contract: Contract, protection: ColumnProtection
) -> ProtectionKeys:
    """The table's keys, and those of deterministic tokens of its subject columns."""
    ring = settings.key_ring
    domains = {
        each.join_domain
        for name, each in protection.deterministic.items()
        if name in contract.subject_columns
    }
    found = {
        domain: ring.deterministic_key(deterministic_owner(contract.target, domain), create=False)
        for domain in domains
    }
    return replace(ring.keys_for(contract.target, create=False), deterministic=found)


def _not_a_person(contract: Contract, kinds: Mapping[str, str], found: str) -> UsageError:
    typed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
    return UsageError(
        where=f"the persons named for {contract.name}",
        expected=f"a value for each of {typed}",
        found=found,
        next_step="Correct it and run the command again. Nothing was changed. The columns are "
        "those of `privacy: subject` in the contract, or of its key.",
    )
