"""What is proposed of tables in a file whose catalog tells little; it needs no server."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from blocks.source_database import SourceDatabase
from contracts.errors import ContractError
from tasks.introspection.contract_of_table import contract_of_table
from tasks.introspection.contract_proposal import ContractNames
from tasks.introspection.contract_text import decisions_in
from tasks.source.dialect_of_source import sql_dialect_of

TABLES = """
CREATE TABLE price_log (article_id INT, price DECIMAL(8, 2), changed_at DATETIME NOT NULL);
INSERT INTO price_log VALUES (1, 9.99, '2024-01-01 10:00:00'), (1, 8.99, '2024-01-02 10:00:00');
CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, seen TEXT CHECK (seen <> ''));
WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 1500)
INSERT INTO people (email) SELECT 'a' || value || '@b.example' FROM n;
CREATE VIEW adults AS SELECT id, email FROM people;
CREATE TABLE photos (raw BLOB);
CREATE TABLE numbers (ratio REAL);
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    file = tmp_path_factory.mktemp("sqlite") / "shop.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(TABLES)
    return SourceDatabase(dialect="sqlite", database=str(file))


def made(source, table, *, samples=True):
    names = ContractNames(table, "shop", "shop", table)
    with source.reading() as reading:
        return contract_of_table(
            reading, ("main", table), names, dialect=sql_dialect_of(source), samples=samples
        )


def test_a_log_is_read_from_its_watermark_on_with_an_overlap_for_what_commits_late(source):
    found = made(source, "price_log")

    assert (found.proposal.events, found.proposal.incremental) == (True, True)
    assert "overlap: 1 hour  # longer than any transaction that writes" in found.text
    assert "watermark: [changed_at]  # no index supports it" in found.text
    assert "partition_column" not in found.text
    assert any("named like a log" in each.text for each in decisions_in(found.text))


@pytest.mark.parametrize("samples", [True, False])
def test_rows_are_counted_where_no_statistics_have_them(source, samples):
    found = made(source, "people", samples=samples)

    assert found.proposal.rows == 1_500
    email = found.proposal.columns[1]
    assert any("sampled values look like" in note for note in email.notes) is samples
    assert email.sensitive is not None
    assert found.text.count("@b.example") == 0
    assert "left out: CHECK 1." in found.text


def test_a_view_proves_no_key(source):
    found = made(source, "adults")

    assert (found.proposal.details.kind, found.proposal.key.columns) == ("view", ("id",))
    assert "the source proves no key" in found.proposal.decisions["key"]


def test_bytes_may_be_a_key_and_numbers_with_a_fraction_none(source):
    assert made(source, "photos").proposal.key.doubt
    with pytest.raises(ContractError, match="a column that can identify a row"):
        made(source, "numbers")
