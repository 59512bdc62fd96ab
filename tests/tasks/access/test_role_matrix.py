"""Every role with every classification, protection and kind of row, through the real views."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from history.reading.role_views import role_view
from tasks.compiler.compile_role_rights import compile_role_rights
from tasks.transforms.protection.masking import masked
from tests.tasks.access.conftest import KEYS
from tests.tasks.access.matrix import CELLS, COLUMNS, LEVELS, ROLES, ROWS, WHERES

RANK = {name: rank for rank, name in enumerate(LEVELS)}


@pytest.fixture(scope="module")
def stored(matrix):
    """The table's own cells by row and column, and what a mask of two or nine leaves of them."""
    table = matrix.spark.table(matrix.table)
    masks = [
        masked(F.col("restricted_clear"), 2).alias("mask_restricted_clear"),
        masked(F.col("public_clear"), 9).alias("mask_public_clear"),
    ]
    return {row.id: row.asDict() for row in table.select("*", *masks).collect()}


def seen_cell(role, name, level, row):
    """What the contract says that the role sees: (there, value) of one cell of the table."""
    if name in role.deny:
        return False, None
    if name in role.mask:
        return True, row[f"mask_{name}"]
    if name in role.allow or RANK[level] <= RANK[role.level]:
        return True, row[name]
    return {"hide": (False, None), "nullify": (True, None), "redact": (True, "***")}[role.above]


def sees_row(role, row):
    level = RANK[role.rows.level or role.level]
    if row.level not in RANK or RANK[row.level] > level:
        return False
    return (row.current or not role.rows.current) and WHERES[role.rows.where](row)


@pytest.mark.parametrize("role", ROLES.values(), ids=lambda role: role.name)
def test_a_role_sees_what_the_contract_says_and_nothing_else(matrix, stored, role):
    levels = {column.name: str(column.classification) for column in COLUMNS}
    seen = matrix.spark.table(role_view(matrix.table, role.name)).collect()

    expected = {}
    for row in ROWS:
        if sees_row(role, row):
            cells = {n: seen_cell(role, n, level, stored[row.id]) for n, level in levels.items()}
            expected[row.id] = {name: value for name, (there, value) in cells.items() if there}
    assert {row["id"]: row.asDict() for row in seen} == expected


def test_every_role_has_a_view_that_was_announced_before_it_was_made(matrix):
    assert {*matrix.done.written} == {*ROLES}
    assert matrix.announced == [matrix.done]


def test_the_rows_that_no_level_names_are_seen_by_nobody(matrix):
    unnamed = {row.id for row in ROWS if row.level not in RANK}
    assert unnamed

    for name in ROLES:
        seen = {row["id"] for row in matrix.spark.table(role_view(matrix.table, name)).collect()}
        assert not seen & unnamed


def test_no_view_shows_a_clear_value_that_the_table_does_not_hold(matrix):
    protected = [name for name, (_, kind) in CELLS.items() if kind is not None]
    clear = {str(row.cells[name]) for row in ROWS for name in protected if row.cells}

    for name in ROLES:
        rows = matrix.spark.table(role_view(matrix.table, name)).collect()
        shown = {str(cell) for row in rows for cell in row}
        assert not shown & clear


def test_no_view_has_a_key_or_decrypts(matrix):
    secrets = {each.material for each in (KEYS.fingerprint, KEYS.pseudonym, KEYS.encryption)}

    for rights in compile_role_rights(matrix.contract):
        text = " ".join((*rights.expressions.values(), rights.row_filter_sql))
        properties = matrix.spark.sql(
            f"SHOW TBLPROPERTIES {role_view(matrix.table, rights.role)}"
        ).collect()
        created = matrix.spark.sql(
            f"SHOW CREATE TABLE {role_view(matrix.table, rights.role)}"
        ).collect()[0][0]
        text += " ".join(row.value for row in properties) + created
        assert not any(each.hex() in text or each.decode() in text for each in secrets)
        assert "decrypt" not in text.lower().replace("decrypted", "")


def test_unequal_alone_would_drop_or_show_what_nobody_classified(matrix):
    """The specification's row filter: `!= 'CONFIDENTIAL'` is no rule for what is unknown."""
    table = matrix.spark.table(matrix.table)
    level = F.col("row_level")

    def count(condition):
        return table.where(condition).count()

    # It shows RESTRICTED rows and words that are no level, and drops null without saying so.
    by_unequal = {row.row_level for row in table.where(level != "CONFIDENTIAL").collect()}
    assert by_unequal == {"PUBLIC", "INTERNAL", "RESTRICTED", "SECRET", "public"}
    assert count(level != "CONFIDENTIAL") + count(level == "CONFIDENTIAL") < len(ROWS)
    internal = matrix.spark.table(role_view(matrix.table, "internal_hide")).collect()
    assert {row.row_level for row in internal} == {"PUBLIC", "INTERNAL"}
