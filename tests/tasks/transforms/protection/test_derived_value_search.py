from __future__ import annotations

import base64
import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tasks.transforms.protection.derived_value_search import derived_columns, text_of

PARTS = ("id", "name", "city", "pay", "born", "seen")
SENSITIVE = {"name", "pay", "born"}
NAMES = [
    "Ada Pell",
    " Bo Finch",
    "Cy Rook ",
    "Dee Quill",
    None,
    "Eve Marsh",
    "Fay Thorne",
    "Gus Oak",
]
ROWS = [
    {
        "id": number,
        "name": name,
        "city": ["Bern", "Graz", None, "Lund"][number % 4],
        "pay": Decimal("1000.50") + number,
        "born": date(1970 + number, 1, 2),
        "seen": datetime(2024, 5, 1, 12, number, 30, 250000 * (number % 4), tzinfo=UTC),
    }
    for number, name in enumerate(NAMES)
]  # fmt: skip


def texts(row, *names, nulls_as=None):
    found = (text_of(row[name]) for name in names)
    return [text or nulls_as for text in found if text is not None or nulls_as is not None]


def hexed(algorithm, text):
    return hashlib.new(algorithm, text.encode()).hexdigest()


def based(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


DERIVED = {
    "an equal value": (lambda row: row["name"], ("name",)),
    "an equal value in upper case": (lambda row: (row["name"] or "").upper().strip(), ("name",)),
    "a number as text": (lambda row: str(row["pay"]), ("pay",)),
    "a search column": (lambda row: f"{row['id']} {row['city']} {row['name']}".lower(), ("name",)),
    "a word of it": (lambda row: f"met {(row['name'] or 'no one').split()[-1]}", ("name",)),
    "a day in a note": (lambda row: f"born on {row['born']}, it is said", ("born",)),
    "MD5 of one column": (lambda row: hexed("md5", row["name"] or ""), ("name",)),
    "SHA-1 of a number": (lambda row: hexed("sha1", str(row["pay"])), ("pay",)),
    "SHA-256 in upper-case hex": (
        lambda row: hexed("sha256", row["name"] or "").upper(),
        ("name",),
    ),
    "SHA-256 in base64": (lambda row: based(str(row["born"])), ("born",)),
    "SHA-512 as octets": (
        lambda row: hashlib.sha512(str(row["pay"]).encode()).digest(),
        ("pay",),
    ),
    "a digest with its algorithm before it": (
        lambda row: f"sha256:{hexed('sha256', str(row['pay']))}",
        ("pay",),
    ),
    "concat_ws of three": (
        lambda row: hexed("sha256", "|".join(texts(row, "id", "name", "city"))),
        ("id", "name", "city"),
    ),
    "concat with empty nulls": (
        lambda row: hexed("md5", "||".join(texts(row, "name", "city", nulls_as=""))),
        ("name", "city"),
    ),
    "concat without a separator, trimmed and lowered": (
        lambda row: hexed(
            "sha1", "".join(t.strip().lower() for t in texts(row, "name", "born", nulls_as=""))
        ),
        ("name", "born"),
    ),
    "all columns": (
        lambda row: hexed("sha256", "|".join(texts(row, *PARTS))),
        PARTS,
    ),
}


@pytest.mark.parametrize("case", DERIVED)
def test_a_derived_column_is_found_with_what_it_is_made_of(case):
    make, of = DERIVED[case]
    rows = [{**row, "made": make(row)} for row in ROWS]

    found = derived_columns(rows, clear=["made", "city"], parts=PARTS, sensitive=SENSITIVE)

    assert {each.column for each in found} == {"made"}
    assert of in [each.of for each in found]
    assert not any(name in repr(found) for name in ("Pell", "Finch", "1970"))


HARMLESS = {
    "nothing": lambda row: None,
    "a constant": lambda row: "Ada Pell",
    "digests of what is not sensitive": lambda row: hexed("sha256", f"{row['id']}|{row['city']}"),
    "a keyed digest": lambda row: hashlib.sha256(b"key" + str(row["pay"]).encode()).hexdigest(),
    "a few small numbers": lambda row: row["id"] % 2,
    "a number that is as long as a digest": lambda row: "1" * 32,
    "an unrelated sentence": lambda row: f"row {row['id']} of the seventh reading",
    "names of others": lambda row: NAMES[(row["id"] + 3) % len(NAMES)],
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_has_nothing_to_do_with_a_sensitive_column_is_not_told(case):
    rows = [{**row, "other": HARMLESS[case](row)} for row in ROWS]

    assert derived_columns(rows, clear=["other"], parts=PARTS, sensitive=SENSITIVE) == ()


def test_a_sensitive_column_itself_is_not_told_and_no_rows_tell_nothing():
    assert derived_columns(ROWS, clear=PARTS, parts=PARTS, sensitive=SENSITIVE) == ()
    assert derived_columns([], clear=["city"], parts=PARTS, sensitive=SENSITIVE) == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), ("a ", "a "), (True, "true"), (7, "7"), (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"), (date(2024, 1, 2), "2024-01-02"), (b"\x00\xff", "00ff"),
        (datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), "2024-01-02 03:04:05"),
        (datetime(2024, 1, 2, 3, 4, 5, 120000, tzinfo=UTC), "2024-01-02 03:04:05.12"),
    ],
)  # fmt: skip
def test_values_are_read_as_a_database_prints_them(value, expected):
    assert text_of(value) == expected
