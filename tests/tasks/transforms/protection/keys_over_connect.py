"""Keys at work over Spark Connect, in two sessions side by side; prints what it found."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from blocks.spark.java_installation import ensure_java
from contracts.model.encryption_keys import DataKey
from tasks.transforms.hashing.hmac_sha256 import hashed
from tasks.transforms.protection.aes_gcm_encryption import decrypted, encrypted
from tasks.transforms.protection.key_transport import provide_transport_key

KEY = DataKey("e1", b"encryption-key-canary-012345678!")


def roundtrip(session: SparkSession) -> list[tuple[str, str]]:
    """Values encrypted, opened again and hashed, in a session that another thread made."""
    provide_transport_key(session)
    rows = session.range(3).select(F.col("id").cast("string").alias("value"))
    tokens = encrypted(rows, {"token": F.col("value")}, key=KEY, table="t")
    opened = decrypted(F.col("token"), {"e1": KEY}, table="t", column_name="token", kind="string")
    digests = hashed(tokens.select(opened.alias("value")), {"digest": F.col("value")}, KEY.material)
    return sorted((row.value, row.digest[:8]) for row in digests.collect())


def main() -> None:
    """Start a server in this process, and two sessions on it."""
    ensure_java()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql.connect.session import SparkSession as Remote

    first = SparkSession.builder.remote("local[2]").getOrCreate()
    second = Remote.builder.remote("sc://localhost:15002").create()
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(roundtrip, (first, second)))
    print(found[0] == found[1], found[0])  # noqa: T201 - read by the test


if __name__ == "__main__":
    main()
