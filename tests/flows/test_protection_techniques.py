"""A table with each technique of protection, loaded from a real database, changed, loaded again."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from types import SimpleNamespace

import psycopg
import pytest
import yaml
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier
from pyspark.sql import functions as F

from contracts.errors import KeyUnavailableError
from contracts.loader import load_contract
from contracts.model.sensitivity import sensitive_sources
from flows.load_table import load_table
from tasks.transforms.protection.aes_gcm_encryption import decrypted
from tasks.transforms.protection.aes_siv_encryption import deterministic_decrypted, scope_of
from tasks.transforms.protection.derived_value_search import derived_columns
from tests.flows.state_contracts import write_contract

COLUMNS = {
    "id": "INTEGER",
    "name": "VARCHAR(60)",
    "email": "VARCHAR(60)",
    "alias": "VARCHAR(60)",
    "phone": "VARCHAR(20)",
    "born": "DATE",
    "pay": "NUMERIC(10,2)",
    "note": "VARCHAR(200)",
    "updated_at": "TIMESTAMP",
}
PROTECTION = {
    "email": {
        "kind": "encrypt", "deterministic": True, "discloses": "equality", "join_domain": "emails",
    },
    "alias": {
        "kind": "encrypt", "deterministic": True, "discloses": "equality", "join_domain": "emails",
    },
    "phone": {"kind": "mask", "keep": 2},
    "born": {"kind": "generalise", "to": "year"},
    "pay": {"kind": "generalise", "width": 1000},
    "note": {"kind": "redact"},
}  # fmt: skip
TABLE = """
CREATE TABLE public.people (
    id int, name varchar(60), email varchar(60), alias varchar(60), phone varchar(20), born date,
    pay numeric(10, 2), note varchar(200), updated_at timestamp DEFAULT '2024-01-01 08:00',
    search varchar(200) GENERATED ALWAYS AS (name || ' ' || email) STORED,
    digest varchar(64)
)
"""
INSERT = """
INSERT INTO public.people (id, name, email, alias, phone, born, pay, note)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
ROWS = [
    (1, "Zephyrine Quill", "zq@a.example", None, "0301234567", "1984-05-06", "4321.09", "canary1"),
    (2, "Ottoline Marsh", "om@a.example", "zq@a.example", "0409999", "1990-02-03", "-0.01", "cn2"),
    (3, "Barnaby Thorne", None, None, None, None, None, None),
    (4, "Isolde Varga", "iv@a.example", "om@a.example", "0507777", "2001-12-31", "1000000.5", "c4"),
    (5, "Leopold Hask", "lh@a.example", None, "0608888", "1975-03-03", "999.99", "canary5"),
    (None, "Wilhelmina Orr", "wo@a.example", None, "0700001", "1961-02-03", "777.77", "canary6"),
    (None, "Thaddeus Pym", "tp@a.example", None, "0700002", "1962-02-03", "888.88", "canary7"),
    (None, "Rosalind Ek", "re@a.example", None, "0700003", "1963-02-03", "666.66", "canary8"),
]
CHANGED = {
    1: ("note", "another note"),
    2: ("pay", "-0.02"),
    3: ("born", "1984-02-01"),
    4: ("phone", "0507778"),
    5: ("email", "zq@a.example"),
}
"""Of 1, 2 and 4 what is stored stays the same: only the fingerprint shows the change."""


@pytest.fixture(scope="module")
def loaded(make_workplace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("protected")
    write_contract(folder, "people", COLUMNS, {"load": "full"})
    path = folder / "people.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    extension = document["customProperties"][0]["value"]
    extension["protection"] = {"RESTRICTED": {"kind": "encrypt"}, "INTERNAL": {"kind": "redact"}}
    for prop in document["schema"][0]["properties"]:
        own = prop["customProperties"][0]["value"]
        if prop["name"] in PROTECTION:
            own["protection"] = PROTECTION[prop["name"]]
            prop["classification"] = "CONFIDENTIAL"
        elif prop["name"] == "id":
            own["protection"] = {"kind": "none"}
    for column in extension["source"]["columns"]:
        column["classification"] = (
            "PUBLIC" if column["name"] in ("id", "updated_at") else "RESTRICTED"
        )
    extension["source"]["columns"] += [
        {
            "name": "search",
            "physicalType": "VARCHAR(200)",
            "classification": "PUBLIC",
            "derived_from": ["name", "email"],
        },
        {
            "name": "digest",
            "physicalType": "VARCHAR(64)",
            "classification": "PUBLIC",
            "derived_from": ["id", "name", "pay"],
        },
    ]
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    place = make_workplace(folder)
    place.execute(TABLE)
    place.execute(INSERT, *ROWS)
    place.execute("UPDATE public.people SET digest = md5(concat_ws('|', id, name, pay))")
    told = SimpleNamespace(place=place, contract=load_contract(path), first=load_table("people"))
    for key, (column, value) in CHANGED.items():
        statement = SQL("UPDATE public.people SET {} = {} WHERE id = {}")
        place.execute(statement.format(Identifier(column), value, key))
    told.second = load_table("people")
    told.third = load_table("people")
    return told


def versions(loaded, key):
    rows = loaded.place.table("states.people").where(F.col("id") == key)
    return rows.orderBy("valid_from", "valid_to").collect()


def test_a_change_of_each_column_opens_a_version_also_where_what_is_stored_stays(loaded):
    assert (loaded.first.report.opened, loaded.first.staged.refused) == (5, 3)
    assert (loaded.second.report.opened, loaded.second.report.closed) == (5, 5)
    assert not loaded.third.report.published
    for key, (column, _) in CHANGED.items():
        before, after = sorted(versions(loaded, key), key=lambda row: row.is_current)
        assert (before[column] == after[column]) is (key in (1, 2, 4))


def test_what_is_stored_is_what_the_contract_says(loaded):
    rows = loaded.place.table("states.people").where("NOT is_current").orderBy("id").collect()

    assert [row.note for row in rows] == ["REDACTED", "REDACTED", None, "REDACTED", "REDACTED"]
    assert [row.phone for row in rows] == ["03***", "04***", None, "05***", "06***"]
    assert [row.born for row in rows] == [
        date(1984, 1, 1), date(1990, 1, 1), None, date(2001, 1, 1), date(1975, 1, 1),
    ]  # fmt: skip
    assert [None if row.pay is None else int(row.pay) for row in rows] == [
        4000, -1000, None, 1_000_000, 0,
    ]  # fmt: skip
    assert rows[0].email == rows[1].alias
    assert len({bytes(row.name) for row in rows}) == 5


def test_the_key_ring_opens_what_can_be_opened(loaded):
    ring = loaded.place.settings.key_ring
    target = loaded.contract.target
    encryption = ring.keys_for(target, create=False).encryption
    joined = ring.deterministic_key("join domain emails", create=False)
    rows = loaded.place.table("states.people").where("NOT is_current").select(
        "id",
        decrypted(
            F.col("name"), {encryption.id: encryption}, table=target, column_name="name",
            kind="string",
        ).alias("name"),
        deterministic_decrypted(
            F.col("email"), {joined.id: joined}, scope=scope_of(target, "email", "emails"),
            kind="string",
        ).alias("email"),
    )  # fmt: skip

    found = [tuple(row) for row in rows.orderBy("id").collect()]

    assert found == [row[:3] for row in ROWS[:5]]
    with pytest.raises(KeyUnavailableError, match="deterministic tokens of"):
        ring.deterministic_key("join domain others", create=False)


def test_no_table_of_the_lake_holds_a_sensitive_value_or_a_plain_digest_of_one(loaded):
    place, parts = loaded.place, [column.name for column in loaded.contract.source.columns]
    source = _source_rows(place, parts)
    sensitive = sensitive_sources(loaded.contract)
    catalog = place.settings.lakehouse.catalog
    names = [
        f"{space.namespace}.{table.tableName}"
        for space in place.spark.sql(f"SHOW NAMESPACES IN {catalog}").collect()
        for table in place.spark.sql(f"SHOW TABLES IN {catalog}.{space.namespace}").collect()
    ]
    secrets = {
        str(row[name])
        for row in source
        for name in sensitive
        if row[name] is not None and len(str(row[name])) > 3
    }
    assert sensitive == {*parts} - {"id", "updated_at"}
    assert {"governance.quarantine", "governance.quality_findings", "states.people"} <= {*names}
    for name in names:
        stored = place.table(name)
        cells = [dict(_cells(row.asDict(recursive=True))) for row in stored.limit(40).collect()]
        text = json.dumps(cells, default=str)
        assert [secret for secret in secrets if secret in text] == [], name
        digests = [
            found
            for column in sorted({column for row in cells for column in row})
            for found in derived_columns(
                # Any cell may be a digest of any row's values.
                [
                    {f"stored {column}": cell, **origin}
                    for cell in sorted({str(row.get(column)) for row in cells})[:6]
                    for origin in source
                ],
                clear=[f"stored {column}"],
                parts=parts,
                sensitive=sensitive,
                digest_rows=48,
            )
            if "plain" in found.how
        ]
        assert digests == [], name


def test_the_search_of_the_lake_would_find_a_digest(loaded):
    parts = [column.name for column in loaded.contract.source.columns]
    source = _source_rows(loaded.place, parts)
    digest = hashlib.sha256(source[0]["name"].encode()).hexdigest()

    pairs = [{"planted": digest, **row} for row in source]

    (found,) = derived_columns(
        pairs, clear=["planted"], parts=parts, sensitive=sensitive_sources(loaded.contract)
    )
    assert found.of == ("name",)


def _source_rows(place, parts):
    """The rows of the source, straight from the database."""
    with psycopg.connect(place.dsn.get_secret_value(), row_factory=dict_row) as connection:
        rows = connection.execute("SELECT * FROM public.people ORDER BY id").fetchall()
    return [{name: row[name] for name in parts} for row in rows]


def _cells(row):
    """The cells of a row by name, those of JSON text and of nested values one by one."""
    for name, value in row.items():
        nested = value
        if isinstance(value, str) and value.startswith("{"):
            nested = json.loads(value)
        if isinstance(nested, dict):
            yield from _cells({f"{name}.{key}": each for key, each in nested.items()})
        elif isinstance(nested, list):
            yield from _cells({f"{name}.{place}": each for place, each in enumerate(nested)})
        else:
            yield name, bytes(value) if isinstance(value, bytearray) else value
