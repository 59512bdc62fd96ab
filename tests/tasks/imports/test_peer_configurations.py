"""What the configurations of dbt, SQLMesh and dlt say, in each form that they may have."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.errors import FixableError, NotFoundError, SettingsError, UsageError
from tasks.imports.dbt_snapshot_config import dbt_history
from tasks.imports.dlt_schema_config import dlt_history
from tasks.imports.sqlmesh_model_config import sqlmesh_history

MADE = Path(__file__).parents[2] / "flows" / "imports"
FAR = datetime(9999, 12, 31, tzinfo=UTC)


@pytest.fixture
def written(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_manifest_says_where_the_tables_are():
    found = dbt_history(MADE / "manifest.json", "customers_by_check")

    assert found.history == ("analytics_snapshots", "customers_by_check")
    assert found.source == ("crm", "customers")
    assert (found.key, found.compared) == (("region", "customer_id"), ("city", "credit"))
    assert (found.valid_from, found.valid_to) == ("gueltig_ab", "gueltig_bis")
    assert (found.deleted, found.open_end, found.closes_absent) == ("geloescht", FAR, True)


def test_the_yaml_file_of_a_snapshot_says_the_same_but_for_the_tables():
    by_manifest = dbt_history(MADE / "manifest.json", "customers_by_time")
    by_file = dbt_history(MADE / "dbt_snapshots.yml", "customers_by_time")

    assert (by_file.history, by_file.source) == (None, None)
    assert (by_file.key, by_file.stamp) == (by_manifest.key, "updated_at")
    assert by_file.closes_absent is by_manifest.closes_absent is True
    with pytest.raises(UsageError):
        by_file.refuse_gaps()


def test_a_legacy_block_is_read_without_running_it():
    found = dbt_history(MADE / "dbt_customers_legacy.sql", None)

    assert (found.name, found.key, found.stamp) == (
        "customers_legacy",
        ("customer_id",),
        "updated_at",
    )
    assert found.closes_absent is False


@pytest.mark.parametrize(
    "config",
    [
        "{{ config(unique_key=var('key'), strategy='timestamp', updated_at='u') }}",
        "{{ config(unique_key='id', strategy='timestamp'",
        "{{ config(**settings) }}",
        "{{ config(unique_key='id', strategy='custom') }}",
        "",
    ],
)
def test_a_block_that_only_dbt_can_evaluate_is_refused(written, config):
    path = written("s.sql", "{% snapshot s %} " + config + " select 1 {% endsnapshot %}")

    with pytest.raises(SettingsError) as refused:
        dbt_history(path, None)

    assert "Nothing was written" in refused.value.next_step


def test_a_block_may_use_dbts_own_words(written):
    path = written(
        "s.sql",
        "{%- snapshot s -%} {{ config(unique_key=['a', 'b'], strategy='check', check_cols='all',"
        " invalidate_hard_deletes=true, tags=[var('t')]) }} select 1 {%- endsnapshot -%}",
    )

    found = dbt_history(path, "s")

    assert (found.key, found.compared, found.closes_absent) == (("a", "b"), (), True)


def test_expressions_for_key_and_far_end_have_to_be_said_otherwise(written):
    path = written(
        "s.sql",
        "{% snapshot s %} {{ config(unique_key=\"a || '-' || b\", strategy='check',"
        " check_cols='all', dbt_valid_to_current='far_end()') }} select 1 {% endsnapshot %}",
    )
    found = dbt_history(path, None)
    tables = {"history": ("x", "y"), "source": ("x", "z")}

    with pytest.raises(UsageError, match="--open-end"):
        found.with_options(**tables, key=("a", "b"), open_end=None).refuse_gaps()
    with pytest.raises(UsageError, match="--key"):
        found.with_options(**tables, key=(), open_end=FAR).refuse_gaps()
    found.with_options(**tables, key=("a", "b"), open_end=FAR).refuse_gaps()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", "{}"),
        ("m.json", "no json"),
        ("m.json", '{"nodes": {"x": 1}}'),
        ("s.yml", "snapshots: 1"),
        ("s.yml", "a: [b"),
        ("s.sql", "select 1"),
        ("missing.yml", None),
    ],
)
def test_a_file_that_is_no_configuration_of_dbt_is_refused(written, tmp_path, name, text):
    path = tmp_path / name if text is None else written(name, text)

    with pytest.raises(FixableError):
        dbt_history(path, None)


def test_of_several_snapshots_one_has_to_be_named():
    with pytest.raises(UsageError) as several:
        dbt_history(MADE / "manifest.json", None)
    with pytest.raises(NotFoundError):
        dbt_history(MADE / "manifest.json", "customer")

    assert "customers_by_time" in several.value.found


def test_a_model_of_sqlmesh_is_read_word_by_word(written):
    by_time = sqlmesh_history(MADE / "sqlmesh_customers_by_time.sql", None)
    by_column = sqlmesh_history(MADE / "sqlmesh_customers_by_column.sql", None)
    renamed = sqlmesh_history(
        written(
            "m.sql",
            "MODEL (name db.s.t, kind SCD_TYPE_2_BY_COLUMN (unique_key [a, b], columns *,"
            " valid_from_name von, valid_to_name bis), grain a); SELECT 1",
        ),
        "db.s.t",
    )

    assert (by_time.key, by_time.stamp, by_time.closes_absent) == (
        ("customer_id",),
        "updated_at",
        True,
    )
    assert by_time.history == ("scd", "customers_by_time")
    assert (by_column.key, by_column.compared) == (("region", "customer_id"), ("city", "credit"))
    assert by_column.stamp is None
    assert (renamed.key, renamed.compared, renamed.history) == (("a", "b"), (), ("s", "t"))
    assert (renamed.valid_from, renamed.valid_to, renamed.closes_absent) == ("von", "bis", False)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "MODEL (name a.b, kind FULL); SELECT 1",
        "MODEL (name a.b); SELECT 1",
        "MODEL (name a.b, kind SCD_TYPE_2_BY_TIME (unique_key id; SELECT 1",
        "MODEL name",
        "MODEL ('",
    ],
)
def test_what_is_no_such_model_is_refused(written, text):
    with pytest.raises(SettingsError):
        sqlmesh_history(written("m.sql", text), None)


def test_a_schema_of_dlt_says_key_and_interval(written):
    found = dlt_history(MADE / "customers.schema.yaml", None)
    other = dlt_history(
        written(
            "s.yaml",
            "tables: {t: {x-merge-strategy: scd2, columns: {von: {x-valid-from: true}, bis:"
            " {x-valid-to: true, x-active-record-timestamp: 9999-12-31}, k: {merge_key: true},"
            " h: {x-row-version: true}}}, u: {columns: {}}}",
        ),
        None,
    )

    assert (found.name, found.key, found.closes_absent) == ("customers", ("customer_id",), True)
    assert (found.valid_from, found.valid_to) == ("_dlt_valid_from", "_dlt_valid_to")
    assert (other.key, other.valid_from, other.valid_to) == (("k",), "von", "bis")
    assert (other.open_end, other.closes_absent) == (FAR, False)
    assert "h" in other.own


@pytest.mark.parametrize("text", ["tables: 1", "a: [", "- 1", "tables: {t: {columns: {}}}"])
def test_a_schema_without_such_a_table_is_refused(written, text):
    with pytest.raises(FixableError):
        dlt_history(written("s.yaml", text), None)
