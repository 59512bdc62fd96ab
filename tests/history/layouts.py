"""Tables that between them have every column type in every role it may have."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from hypothesis import strategies as st

from tests.history.examples import layout
from tests.history.values import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    EXACT,
    FLOAT,
    INT,
    MICROSECOND,
    MONEY,
    SMALLINT,
    SPRING,
    STRING,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    TINYINT,
    Kind,
    array,
    mapping,
    struct,
)
from tests.quick_spark import COMPILED

BERLIN = {"spark.sql.session.timeZone": "Europe/Berlin"}
NEW_YORK = {"spark.sql.session.timeZone": "America/New_York"}
DEEP = array(struct(when=TIMESTAMP, tags=mapping(STRING, array(DOUBLE))))

PLAIN = layout(
    "plain",
    {
        "Id": STRING,
        "a.b": TIMESTAMP,
        "Changed At": TIMESTAMP,
        "yes": BOOLEAN,
        "tiny": TINYINT,
        "short": SMALLINT,
        "int": INT,
        "large": BIGINT,
        "f": FLOAT,
        "d": DOUBLE,
        "money": MONEY,
        "exact": EXACT,
        "te`xt": STRING,
        "bytes": BINARY,
        "day": DATE,
        "moment": TIMESTAMP,
        "wall clock": TIMESTAMP_NTZ,
        "Note.1": STRING,
        "rate": DOUBLE,
        "log": INT,
        "position": STRING,
        "born": TIMESTAMP,
    },
    BERLIN,
    key=("Id", "a.b"),
    sequence="Changed At",
    tracked=(
        *(
            "yes",
            "tiny",
            "short",
            "int",
            "large",
            "f",
            "d",
            "money",
            "exact",
            "te`xt",
            "bytes",
            "day",
        ),
        *("moment", "wall clock"),
    ),
    tie_breaker=("log", "position"),
    open_end=datetime(9999, 12, 31, tzinfo=UTC),
)

NESTED = layout(
    "nested",
    {
        "whole": struct(a=TINYINT, b=STRING),
        "parts": array(DOUBLE),
        "at": BIGINT,
        "list": array(STRING),
        "Counts": mapping(STRING, DOUBLE),
        "by.number": mapping(DOUBLE, STRING),
        "pair": struct(**{"a": SMALLINT, "B c": BINARY, "m": mapping(TINYINT, BOOLEAN)}),
        "deep": DEEP,
    },
    key=("whole", "parts"),
    sequence="at",
)

MIXED = layout(
    "mixed",
    {
        "no": MONEY,
        "whole": struct(a=INT, b=STRING),
        "flag": BOOLEAN,
        "at": TIMESTAMP_NTZ,
        "name": STRING,
        "Counts": mapping(STRING, DOUBLE),
        "list": array(FLOAT),
        "labels": mapping(STRING, STRING),
        "numbers": array(DOUBLE),
        "pair": struct(**{"d.d": DOUBLE, "A `s`": STRING, "t": TIMESTAMP}),
        "deep": DEEP,
        "rank": DOUBLE,
    },
    NEW_YORK,
    key=("no", "whole", "flag"),
    sequence="at",
    tracked=("name", "Counts", "list"),
    tie_breaker=("rank",),
)

NUMBERS = layout(
    "numbers",
    {
        "x": DOUBLE,
        "y": FLOAT,
        "n": BIGINT,
        "at": DOUBLE,
        "value": DOUBLE,
        "values": array(DOUBLE),
        "rest": FLOAT,
        "money": EXACT,
        "born": DOUBLE,
    },
    COMPILED,
    key=("x", "y", "n"),
    sequence="at",
    tracked=("value", "values"),
    tie_breaker=("money",),
)

DAYS = layout(
    "days",
    {"Key One": BINARY, "day`s": DATE, "at": DATE, "text": STRING, "when": TIMESTAMP},
    BERLIN,
    key=("Key One", "day`s"),
    sequence="at",
    operation=None,
    valid_from="from day",
    valid_to="To.Day",
    is_current="is `it`",
    surrogate_key=None,
    recorded_at="Recorded",
    changed_at="re changed",
    partitioning=(),
)

MASKED = layout(
    "masked",
    {
        "wall": TIMESTAMP_NTZ,
        "ids": array(struct(i=INT, s=STRING)),
        "at": MONEY,
        "print": BINARY,
        "token": BINARY,
        "rest": STRING,
    },
    key=("wall", "ids"),
    sequence="at",
    tracked=("token",),
    fingerprint="print",
)

FORGETFUL = layout(
    "forgetful",
    {"id": SMALLINT, "at": TINYINT, "text": STRING, "rest": mapping(INT, DOUBLE), "log": DATE},
    COMPILED,
    key=("id",),
    sequence="at",
    tracked=("text",),
    tie_breaker=("log",),
    remember_unchanged=False,
)

DATED = layout(
    "dated",
    {"id": STRING, "at": TIMESTAMP, "born": TIMESTAMP, "text": STRING, "rest": INT},
    key=("id",),
    sequence="at",
    tracked=("text",),
    first_valid_from="born",
)

_LABELS = ([("a", 1), ("b", 2)], [("a", 1)], [("b", 1), ("a", 2)])
RULES = layout(
    "rules",
    {
        "id": Kind(INT.arrow, st.integers(1, 2)),
        "at": Kind(INT.arrow, st.integers(1, 5)),
        "text": Kind(STRING.arrow, st.sampled_from(["", "a", "A", "b"])),
        "number": Kind(DOUBLE.arrow, st.sampled_from([0.0, math.nan])),
        "moment": Kind(TIMESTAMP.arrow, st.sampled_from([SPRING, SPRING + MICROSECOND])),
        "labels": Kind(mapping(STRING, INT).arrow, st.sampled_from(_LABELS)),
        "rest": Kind(INT.arrow, st.integers(1, 3)),
        "log": Kind(INT.arrow, st.integers(1, 2)),
        "born": Kind(INT.arrow, st.integers(0, 6)),
    },
    key=("id",),
    sequence="at",
    tracked=("text", "number", "moment", "labels"),
    tie_breaker=("log",),
    first_valid_from="born",
)
"""As few columns and values as can show each rule."""

EVERYDAY = (MIXED,)
NIGHTLY = (PLAIN, MIXED, NESTED, NUMBERS, DAYS, MASKED, FORGETFUL, DATED)
