"""What must be found nowhere: a text for each sensitive cell, and the tables that hold them."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.flows.readings import CONTRACT
from tests.flows.state_contracts import write_contract

ADMIN = "CANARY_SOURCE"
"""The variable with the address of the source for whoever changes its rows."""
PASSWORDS = {"reader": "Gq7-reader-canary-pass", "keeper": "Gq7-keeper-canary-pass"}

PLANTED = "Perpetua Leakworthy 'Ö' & co"
"""What is leaked on purpose: that it is found is what makes the others' absence mean something."""

READERS = {
    name: f"Zephyrine Quillfeather {name}"
    for name in ("one", "two", "three", "refused", "light", "gate", "third", "killed", "fourth")
}
INSERT_READING = "INSERT INTO clinic.readings VALUES (%s, %s, %s, %s, 'IN', %s, %s)"


def _reading(patient, name, weight, at):
    return (patient, "North", READERS[name], weight, "2024-01-01 08:00", at)


FIRST = (
    _reading(1, "one", "71.50", "2024-01-02 08:00"),
    _reading(2, "two", "64.00", "2024-01-02 08:00"),
    _reading(None, "refused", "64.00", "2024-01-02 08:00"),
    _reading(4, "light", "0.10", "2024-01-02 08:00"),
)
SECOND = (
    _reading(1, "three", "72.50", "2024-01-03 08:00"),
    _reading(7, "two", "72.50", "2024-01-03 08:00"),
)
UNFIT = tuple(_reading(20 + n, "gate", "9000.00", "2024-01-04 08:00") for n in range(8))
THIRD = (
    _reading(1, "killed", "72.50", "2024-01-06 08:00"),
    _reading(2, "third", "72.50", "2024-01-06 08:00"),
)
FOURTH = (_reading(1, "fourth", "73.50", "2024-01-07 08:00"),)

COLUMNS = {
    "id": "VARCHAR(40)",
    "kin": "VARCHAR(40)",
    "name": "VARCHAR(60)",
    "email": "VARCHAR(60)",
    "phone": "VARCHAR(20)",
    "born": "DATE",
    "pay": "NUMERIC(10,2)",
    "note": "VARCHAR(200)",
    "updated_at": "TIMESTAMP",
}
KEY = ("id", "kin")
PROTECTION = {
    "id": {"kind": "pseudonymise"},
    "kin": {"kind": "pseudonymise"},
    "name": {"kind": "encrypt"},
    "email": {"kind": "encrypt", "deterministic": True, "discloses": "equality"},
    "phone": {"kind": "mask", "keep": 2},
    "born": {"kind": "generalise", "to": "year"},
    "pay": {"kind": "generalise", "width": 1000},
    "note": {"kind": "redact"},
}
PEOPLE = [
    (
        None if n == 7 else f"{min(n, 5)}-person-canary",
        f"kin of marshwiggle {min(n, 5)}",
        f"Ottoline Marshwiggle {n}",
        f"marshwiggle{n}@canary.example",
        f"0497123{n}55",
        "12345-06-07" if n == 6 else f"1957-0{n}-23",
        "NaN" if n == 3 else f"73184.0{n}",
        f'said "Früh & spät" to marshwiggle {n}',
        "2024-01-01",
    )
    for n in range(1, 9)
]
"""The fifth, the sixth and the eighth have one key; half of the seventh's is missing."""
PERSON = ",".join(f"{name}={text}" for name, text in zip(KEY, PEOPLE[0], strict=False))
"""The key of the first, as it is typed."""
TABLES = """
CREATE SCHEMA clinic;
CREATE TABLE clinic.readings (
    patient integer, ward varchar(20), name varchar(60), weight numeric(6, 2), state varchar(10)
    NOT NULL, created_at timestamp NOT NULL, changed_at timestamp
);
CREATE TABLE public.people (
    id varchar(40), kin varchar(40), name varchar(60), email varchar(60), phone varchar(20),
    born date, pay numeric(10, 2), note varchar(200), updated_at timestamp
);
GRANT USAGE ON SCHEMA clinic TO reader;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA clinic, public TO reader;
"""
INSERT_PERSON = "INSERT INTO public.people VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
FAILING_VIEW = """
ALTER TABLE public.people RENAME TO people_kept;
CREATE VIEW public.people AS SELECT id, kin, (name::integer)::varchar(60) AS name, email, phone,
    born, pay, note, updated_at FROM public.people_kept;
GRANT SELECT ON public.people TO reader;
"""
REFUSING_VIEW = """
CREATE FUNCTION public.unlisted(name varchar) RETURNS varchar STABLE LANGUAGE plpgsql AS $$ BEGIN
    RAISE unique_violation USING
        MESSAGE = 'duplicate key value violates unique constraint "people_name_key"',
        DETAIL = format('Key (name)=(%s) already exists.', name),
        SCHEMA = 'public', TABLE = 'people', CONSTRAINT = 'people_name_key';
END $$;
CREATE OR REPLACE VIEW public.people AS SELECT id, kin, public.unlisted(name)::varchar(60) AS name,
    email, phone, born, pay, note, updated_at FROM public.people_kept;
"""
"""As PostgreSQL says it of a unique constraint: the row's values are in the detail."""
FEWER_PEOPLE = """
CREATE TABLE public.people_before AS SELECT * FROM public.people;
DELETE FROM public.people WHERE id IN ('1-person-canary', '2-person-canary', '3-person-canary');
"""
ALL_PEOPLE = """
DELETE FROM public.people;
INSERT INTO public.people SELECT * FROM public.people_before;
DROP TABLE public.people_before;
"""
WORKING_AGAIN = """
DROP VIEW public.people;
DROP FUNCTION IF EXISTS public.unlisted;
ALTER TABLE public.people_kept RENAME TO people;
"""


def texts() -> dict[str, bytes]:
    """Each canary of a cell by a name that may be printed; the patient's number is no secret."""
    cells = {
        f"people {column} {n}": cell
        for n, row in enumerate(PEOPLE, 1)
        for column, cell in zip(COLUMNS, row, strict=True)
        if column in PROTECTION and cell not in (None, "NaN")
    }
    names = {f"readings name {name}": text for name, text in READERS.items()}
    passwords = {f"password of {user}": text for user, text in PASSWORDS.items()}
    return {name: text.encode() for name, text in {**cells, **names, **passwords}.items()}


def write_contracts(folder: Path) -> None:
    """The contracts of both tables."""
    readings = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    readings["roles"] = [
        {
            "role": name,
            "access": "read",
            "customProperties": [_strandline({"level": level, **more})],
        }
        for name, level, more in (
            ("nurse", "INTERNAL", {}),
            ("doctor", "RESTRICTED", {"decrypt": ["name"]}),
        )
    ]
    quality = readings["customProperties"][0]["value"]["quality"]
    quality.update(threshold=0.4, refused_percent=50)
    readings["customProperties"][0]["value"]["privacy"] = {"subject": ["name"]}
    (folder / "readings.yaml").write_text(yaml.safe_dump(readings, sort_keys=False), "utf-8")
    source = {"load": "full", "closing_limit": {"percent": 10, "rows": 1}}
    history = {"absent": "close", "key": [*KEY], "tracked": [*PROTECTION][len(KEY) :]}
    write_contract(folder, "people", COLUMNS, source, history, required=KEY)
    path = folder / "people.yaml"
    people = yaml.safe_load(path.read_text(encoding="utf-8"))
    for prop in people["schema"][0]["properties"]:
        if prop["name"] in PROTECTION:
            prop["classification"] = "CONFIDENTIAL"
            prop["customProperties"][0]["value"]["protection"] = PROTECTION[prop["name"]]
    people["customProperties"][0]["value"]["privacy"] = {"subjectKeys": True}
    for column in people["customProperties"][0]["value"]["source"]["columns"]:
        column["classification"] = "CONFIDENTIAL" if column["name"] in PROTECTION else "PUBLIC"
    path.write_text(yaml.safe_dump(people, sort_keys=False), encoding="utf-8")


def _strandline(words: dict[str, object]) -> dict[str, object]:
    return {"property": "strandline", "value": words}
