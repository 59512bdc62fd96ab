"""The rules of a history as small tables: what comes in, batch by batch, and what the history is.

All rules are loaded into one table, side by side: the first key column is the rule's name.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from history import HistorySettings, Read, load_changes

DAY = datetime(2024, 5, 1, tzinfo=UTC)

EVENTS = {
    "a change closes the version before it": """
        batch | key | at    | op     | value
        1     | a   | 09:00 | upsert | x
        2     | a   | 10:00 | upsert | y
        ---
        key | value | from  | to
        a   | x     | 09:00 | 10:00
        a   | y     | 10:00 | -
    """,
    "an event that changes nothing opens nothing": """
        batch | key | at    | op     | value
        1     | a   | 09:00 | upsert | x
        2     | a   | 10:00 | upsert | x
        ---
        key | value | from  | to
        a   | x     | 09:00 | -
    """,
    "a change to null and back is a change": """
        batch | key | at    | op     | value
        1     | a   | 09:00 | upsert | x
        2     | a   | 10:00 | upsert | -
        3     | a   | 11:00 | upsert | x
        ---
        key | value | from  | to
        a   | x     | 09:00 | 10:00
        a   | -     | 10:00 | 11:00
        a   | x     | 11:00 | -
    """,
    "a delete ends, and what returns opens anew": """
        batch | key | at    | op     | value
        1     | a   | 09:00 | upsert | x
        2     | a   | 10:00 | delete | -
        3     | a   | 12:00 | upsert | x
        ---
        key | value | from  | to
        a   | x     | 09:00 | 10:00
        a   | x     | 12:00 | -
    """,
    "a late event takes its place": """
        batch | key | at    | op     | value
        1     | a   | 09:00 | upsert | x
        1     | a   | 11:00 | upsert | z
        2     | a   | 10:00 | upsert | y
        ---
        key | value | from  | to
        a   | x     | 09:00 | 10:00
        a   | y     | 10:00 | 11:00
        a   | z     | 11:00 | -
    """,
    "a late event before all others is the first version": """
        batch | key | at    | op     | value
        1     | a   | 11:00 | upsert | y
        2     | a   | 09:00 | upsert | x
        ---
        key | value | from  | to
        a   | x     | 09:00 | 11:00
        a   | y     | 11:00 | -
    """,
    "a late delete takes its place": """
        batch | key | at    | op     | value
        1     | a   | 09:00 | upsert | x
        1     | a   | 12:00 | upsert | x
        2     | a   | 10:00 | delete | -
        ---
        key | value | from  | to
        a   | x     | 09:00 | 10:00
        a   | x     | 12:00 | -
    """,
    "an event between equal ones splits what was one version": """
        batch | key | at    | op     | value
        1     | a   | 09:00 | upsert | x
        1     | a   | 11:00 | upsert | x
        2     | a   | 10:00 | upsert | y
        ---
        key | value | from  | to
        a   | x     | 09:00 | 10:00
        a   | y     | 10:00 | 11:00
        a   | x     | 11:00 | -
    """,
    "a repeat changes nothing": """
        batch | key | at    | op     | value
        1     | a   | 09:00 | upsert | x
        2     | a   | 09:00 | upsert | x
        3     | a   | 09:00 | upsert | x
        ---
        key | value | from  | to
        a   | x     | 09:00 | -
    """,
    "of events that contradict each other none counts": """
        batch | key | at    | op     | value
        1     | a   | 09:00 | upsert | x
        2     | a   | 10:00 | upsert | y
        2     | a   | 10:00 | upsert | z
        ---
        key | value | from  | to
        a   | x     | 09:00 | -
    """,
    "keys don't touch each other": """
        batch | key | at    | op     | value
        1     | a   | 09:00 | upsert | x
        1     | b   | 09:00 | upsert | x
        2     | b   | 10:00 | delete | -
        ---
        key | value | from  | to
        a   | x     | 09:00 | -
        b   | x     | 09:00 | 10:00
    """,
}

READS = {
    "a change holds from its stamp": """
        read  | key | stamp | value
        10:00 | a   | 09:30 | x
        11:00 | a   | 10:20 | y
        12:00 | a   | 10:20 | y
        ---
        key | value | from  | to
        a   | x     | 09:30 | 10:20
        a   | y     | 10:20 | -
    """,
    "a change whose stamp was left alone holds from the read": """
        read  | key | stamp | value
        10:00 | a   | 09:30 | x
        11:00 | a   | 09:30 | y
        12:00 | a   | 09:30 | y
        ---
        key | value | from  | to
        a   | x     | 09:30 | 11:00
        a   | y     | 11:00 | -
    """,
    "a stamp ahead of the clock dates nothing": """
        read  | key | stamp | value
        10:00 | a   | 09:30 | x
        11:00 | a   | 23:00 | y
        12:00 | a   | 23:00 | y
        ---
        key | value | from  | to
        a   | x     | 09:30 | 11:00
        a   | y     | 11:00 | -
    """,
    "no stamp dates nothing": """
        read  | key | stamp | value
        10:00 | a   | -     | x
        11:00 | a   | -     | y
        12:00 | a   | -     | y
        ---
        key | value | from  | to
        a   | x     | 10:00 | 11:00
        a   | y     | 11:00 | -
    """,
    "absence ends at the read": """
        read  | key | stamp | value
        10:00 | a   | 09:30 | x
        ---
        key | value | from  | to
        a   | x     | 09:30 | 11:00
    """,
    "what returns with its old stamp is back from the read on": """
        read  | key | stamp | value
        10:00 | a   | 09:30 | x
        12:00 | a   | 09:30 | x
        ---
        key | value | from  | to
        a   | x     | 09:30 | 11:00
        a   | x     | 12:00 | -
    """,
    "two rows of a key in one read are refused, both": """
        read  | key | stamp | value
        10:00 | a   | 09:30 | x
        11:00 | a   | 10:20 | y
        11:00 | a   | 10:20 | z
        12:00 | a   | 09:30 | x
        ---
        key | value | from  | to
        a   | x     | 09:30 | -
    """,
}


def table(text):
    """The rows of a table, as dictionaries by its header; `-` is nothing."""
    header, *rows = [
        [cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()
    ]
    return [
        dict(zip(header, (None if cell == "-" else cell for cell in row), strict=True))
        for row in rows
    ]


def halves(rules):
    """What comes in and what comes out, by rule."""
    parts = {rule: text.split("---") for rule, text in rules.items()}
    return {rule: (table(coming), table(out)) for rule, (coming, out) in parts.items()}


def moment(text):
    hour, minute = map(int, text.split(":"))
    return DAY.replace(hour=hour, minute=minute)


def at(text):
    return None if text is None else moment(text)


def told(spark, name):
    """The history, by rule, as the tables word it."""
    words = ("date_format(valid_from, 'HH:mm') AS start", "date_format(valid_to, 'HH:mm') AS end")
    found = {}
    for row in spark.table(name).selectExpr("*", *words).orderBy("rule", "key", "start").collect():
        version = {"key": row.key, "value": row.value, "from": row.start, "to": row.end}
        found.setdefault(row.rule, []).append(version)
        assert row.is_current == (row.end is None)
    return found


@pytest.fixture(scope="module")
def of_events(spark, module_namespace):
    """All rules about events, loaded batch by batch."""
    settings = HistorySettings(key=("rule", "key"), sequence="at", operation="op")
    rows = [
        (int(row["batch"]), rule, row["key"], moment(row["at"]), row["op"], row["value"])
        for rule, (coming, _) in halves(EVENTS).items()
        for row in coming
    ]
    name = f"{module_namespace}.rules_of_events"
    for batch in sorted({row[0] for row in rows}):
        changes = spark.createDataFrame(
            [row[1:] for row in rows if row[0] == batch],
            "rule string, key string, at timestamp, op string, value string",
        )
        load_changes(spark, changes, name, settings, batch_id=f"b{batch}", batch_time=DAY)
    return told(spark, name)


@pytest.fixture(scope="module")
def of_reads(spark, module_namespace):
    """All rules about reads, loaded read by read."""
    settings = HistorySettings(key=("rule", "key"), sequence="read_at", stamp="stamp")
    rows = [
        (row["read"], rule, row["key"], at(row["stamp"]), row["value"])
        for rule, (coming, _) in halves(READS).items()
        for row in coming
    ]
    name = f"{module_namespace}.rules_of_reads"
    for read in sorted({row[0] for row in rows}):
        found = spark.createDataFrame(
            [row[1:] for row in rows if row[0] == read],
            "rule string, key string, stamp timestamp, value string",
        )
        load_changes(
            spark,
            found,
            name,
            settings,
            batch_id=f"r{read}",
            batch_time=DAY,
            read=Read(at=moment(read), full=True),
        )
    return told(spark, name)


@pytest.mark.parametrize("rule", EVENTS)
def test_a_history_of_events(of_events, rule):
    assert of_events.get(rule, []) == halves(EVENTS)[rule][1]


@pytest.mark.parametrize("rule", READS)
def test_a_history_of_reads(of_reads, rule):
    assert of_reads.get(rule, []) == halves(READS)[rule][1]
