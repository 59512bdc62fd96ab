"""What each key of our own does, in one sentence, as editors show it beside the key."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.model import Classification

__all__ = ["DESCRIPTIONS"]

DESCRIPTIONS: Mapping[str, Mapping[str, str]] = {
    "of the contract": {
        "source": "Where the rows come from, and how they are read.",
        "history": "How versions are kept.",
        "quality": "When a batch is published, and how unusual rows are found.",
        "access": "Which column says how sensitive each row is.",
        "privacy": "Whom a row is about, and what is done when its retention is over.",
        "protection": "By classification, how columns are protected that say nothing themselves.",
    },
    "source": {
        "connection": "The block of the database, such as crm-db; without it the server.",
        "schema": "The schema; it may be said in front of the table's name: public.customers.",
        "table": "The table or view, as TABLE or SCHEMA.TABLE; without it the name of the schema's "
        "entry.",
        "columns": "Columns it must have, beside those that target columns are made of.",
        "load": "incremental reads the rows after the watermark, full everything; without it "
        "incremental where there is a watermark.",
        "sequence": "Orders a log's changes of a key, dates a state's; the first that is not null.",
        "watermark": "How far the source was read; without it the sequence of an incremental load.",
        "overlap": "How far behind the watermark a load reads again, such as 1 hour.",
        "partition_column": "Prunes the read of a partitioned table, and splits that of a view.",
        "batch_size": "How many rows are fetched at once.",
        "retry_attempts": "How often a read is tried again.",
        "timeout_seconds": "How long one query may take.",
        "membership": "Rows that fail it close their key's version.",
        "ignore": "Rows that match it change nothing of their key.",
        "may_be_empty": "false: no rows are an error.",
        "kind": "state: one row a key, as it is now; events: a log of changes.",
        "future_stamps": "What a sequence over a minute later than the read does to its row.",
        "null_watermark": "A row without watermark or sequence: refused, or dated by the read.",
        "closing_limit": "A full read that lacks more of the open keys than both stops.",
    },
    "source.columns": {
        "name": "As the database has it.",
        "physicalType": "The type in which it is read, in the database's words.",
        "required": "A row in which it is null is refused.",
        "classification": "How sensitive it is.",
        "description": "What it means.",
        "derived_from": "The source columns it is made of; it is as sensitive as they are.",
    },
    "source.membership, source.ignore": {
        "column": "A source column.",
        "operator": "How it is compared.",
        "values": "With what it is compared.",
    },
    "source.closing_limit": {
        "percent": "So many percent of the open keys.",
        "rows": "So many open keys.",
    },
    "history": {
        "key": "The business key; without it the columns with primaryKey: true.",
        "tracked": "Columns whose change opens a version; without it all but key and stamps.",
        "tie_breaker": "Of a log's changes at one instant the greatest counts.",
        "first_valid_from": "A column that dates the first version.",
        "remember_unchanged": "Keep equal events, so that late ones are ordered right.",
        "absent": "close: a full load of a state closes the keys that it no longer contains.",
        "open_end": "The end of an open version; null without it.",
        "partitioning": "Columns, years(c), months(c), days(c), hours(c) or bucket(c, N).",
        "format_version": "Iceberg's format of the new table: 3, or 2 for readers that lag behind.",
    },
    "quality": {
        "threshold": "The least score of a batch that is published.",
        "refused_percent": "At most so many percent of its rows may be refused.",
        "critical_null_percent": "At most so many percent of a critical column may be null.",
        "held_for": "How long a batch that was not published is kept, such as 30 days.",
        "anomalies": "Have unusual rows found.",
    },
    "quality.anomalies": {
        "features": "What rows are compared by; without it every numeric source column.",
        "exclude": "Source columns that are no feature although they are numeric.",
        "severity": "What an unusual row is: refused, or counted.",
        "weight": "What it costs the score of its row.",
        "minimum_rows": "A batch of fewer rows is not evaluated.",
        "sample_rows": "The model is made of at most so many rows.",
    },
    "quality.anomalies.features": {
        "name": "What it is called in reports.",
        "column": "A numeric source column.",
        "from": "A source column of time, from which the span is counted.",
        "to": "The source column of time to which it is counted.",
    },
    "access": {"row_classification": "The target column that says how sensitive each row is."},
    "privacy": {
        "subject": "The columns that name the person a row is about; without it the key.",
        "subjectKeys": "Encrypt what is encrypted of a person with a key of their own.",
        "retention": "What becomes of records that were kept for the retention.",
    },
    "privacy.retention": {
        "action": "What is done with them.",
        "from": "Since when the retention counts.",
    },
    "of a role": {
        "level": "Up to which classification the role sees columns as they are stored.",
        "above": "What it gets of the others.",
        "allow": "Columns that it sees as they are stored, whatever their classification.",
        "deny": "Columns that it does not see.",
        "mask": "By column, how many first characters it sees.",
        "rows": "Which rows it sees.",
        "decrypt": "Encrypted columns that it may have decrypted.",
    },
    "rows of a role": {
        "level": "Up to which classification of the row.",
        "current": "Only open versions.",
        "where": "A condition over target columns.",
    },
    "of a target column": {
        "transformation": "How it is made; without it, it is copied from the source.",
        "protection": "How it is protected; without it by the contract's rule.",
        "lineage": "Record of each version what this column was made of.",
    },
    "protection of a column, or of a rule": {
        "kind": "The technique.",
        "keep": "First characters that a mask leaves readable.",
        "deterministic": "Equal values have equal tokens, so that they can be joined.",
        "discloses": "What deterministic tokens show has to be said.",
        "join_domain": "Columns of all tables that name one domain can be joined.",
        "to": "What a date or timestamp is generalised to.",
        "width": "The width of the bands of a generalised number.",
    },
    "protection of the contract": {
        str(each): f"How columns are protected that are {each}." for each in Classification
    },
    "implementation of a check": {
        "rule": "What is checked.",
        "columns": "Source columns.",
        "arguments": "Of the rule.",
        "weight": "What a failed check costs the score of its row.",
        "at_most": "The rows that fail are counted and none is refused, up to this limit.",
    },
    "of a relationship": {
        "severity": "What a row without its counterpart is: refused, or counted.",
        "weight": "What it costs the score of its row.",
        "at_most": "The rows that fail are counted, up to this limit.",
        "relation": "A table of a source in which the value is looked up instead.",
        "connection": "The block of that source, where it is another one.",
    },
}
"""By section, as docs/contract-keys.md names it, and key."""
