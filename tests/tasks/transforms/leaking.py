"""Every keyed transform over canary values, with an event log; what it prints is every plan."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from blocks.spark.java_installation import ensure_java
from blocks.spark.jvm_class_archive import archive_option
from contracts.model import Protection, ProtectionKind
from contracts.model.encryption_keys import DataKey, ProtectionKeys
from tasks.transforms.hashing.row_fingerprint import Fingerprint, fingerprints
from tasks.transforms.mapping.column_mapping import mapped
from tasks.transforms.protection.aes_gcm_encryption import decrypted
from tasks.transforms.protection.aes_siv_encryption import deterministic_decrypted, scope_of
from tasks.transforms.protection.column_protection import compile_protection, protected, source_row
from tests.quick_spark import QUICK, QUICK_JAVA
from tests.tasks.transforms.examples import COLUMNS, SOURCE_SCHEMA, TABLE, contract

KEYS = ProtectionKeys(
    fingerprint=DataKey("f1", b"fingerprint-key-canary-0123456!!"),
    pseudonym=DataKey("p1", b"pseudonym-key-canary-0123456789!"),
    encryption=DataKey("e1", b"encryption-key-canary-012345678!"),
    deterministic={None: DataKey("d1", b"deterministic-key-canary-0123456" * 2)},
)
VALUE = "Canary Valuebird"


def main(folder: Path) -> None:
    """Write rows protected, read tokens back, and print all plans."""
    ensure_java()
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.eventLog.enabled", "true")
        .config("spark.eventLog.compress", "false")
        .config("spark.eventLog.dir", (folder / "events").as_uri())
        .config("spark.driver.extraJavaOptions", f"{archive_option()} {QUICK_JAVA}")
        .config(map=QUICK)
        .getOrCreate()
    )
    (folder / "rows.csv").write_text(f"7|Harmless|1.5|ACTIVE|{VALUE}|1970-01-01||\n")
    email = Protection(ProtectionKind.ENCRYPT, deterministic=True)
    people = contract(
        columns=(*COLUMNS, replace(contract().column("email"), name="joined", protection=email))
    )
    source = spark.read.schema(SOURCE_SCHEMA).csv(str(folder / "rows.csv"), sep="|")
    protection, refused = compile_protection(people), F.col("status") == "ACTIVE"
    row = source_row(protection, KEYS, table=TABLE, refused=refused)
    columns = {**mapped(people), "source_row": row}
    targets = source.select(*[column.alias(name) for name, column in columns.items()])
    told = Fingerprint({name: F.col(name) for name in ("name", "amount", "email")})
    keyed = fingerprints(targets, {"source_checksum": told}, KEYS.fingerprint.material)
    stage = protected(keyed, compile_protection(people), KEYS, table=TABLE)
    stage.explain(extended=True)
    stage.write.parquet(str(folder / "stage"), compression="uncompressed")
    opened = spark.read.parquet(str(folder / "stage")).select(
        decrypted(
            F.col("amount"),
            {"e1": KEYS.encryption},
            table=TABLE,
            column_name="amount",
            kind="decimal(10,2)",
        ).alias("amount"),
        deterministic_decrypted(
            F.col("joined"),
            {"d1": KEYS.deterministic[None]},
            scope=scope_of(TABLE, "joined", None),
            kind="string",
        ).alias("joined"),
    )
    opened.explain(extended=True)
    opened.write.format("noop").mode("overwrite").save()
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
