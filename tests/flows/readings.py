"""The small table that most tests load: a patient's ward and weight, told by a ward system."""

from __future__ import annotations

from pathlib import Path

CONTRACT = Path(__file__).with_name("readings.yaml")
CANARY = "Zephyrine Quillfeather"

TABLE = """
CREATE SCHEMA clinic;
CREATE TABLE clinic.readings (
    patient integer,
    ward varchar(20),
    name varchar(60),
    weight numeric(6, 2),
    state varchar(10) NOT NULL,
    created_at timestamp NOT NULL,
    changed_at timestamp
);
CREATE INDEX ON clinic.readings (changed_at);
CREATE INDEX ON clinic.readings (created_at);
"""
INSERT = "INSERT INTO clinic.readings VALUES (%s, %s, %s, %s, %s, %s, %s)"

FIRST = (
    (1, "North", CANARY, "71.50", "IN", "2024-01-01 08:00", None),
    (2, "North", "Ada Pell", "64.00", "IN", "2024-01-01 09:00", None),
    (3, "South", "Bo Finch", "80.25", "IN", "2024-01-02 10:00", None),
    (None, "South", CANARY, "90.00", "IN", "2024-01-02 11:00", None),
    (4, "South", CANARY, "0.10", "IN", "2024-01-02 12:00", None),
)
SECOND = (
    (1, "East", CANARY, "72.00", "IN", "2024-01-01 08:00", "2024-01-03 08:00"),
    (2, "North", "Ada Pell", "64.00", "OUT", "2024-01-01 09:00", "2024-01-03 09:00"),
    (5, "West", "Cy Rook", "55.00", "IN", "2024-01-03 10:00", None),
)
AFTER_BOTH = [
    (1, "NORTH", "2024-01-01 08:00:00", "2024-01-03 08:00:00", False),
    (1, "EAST", "2024-01-03 08:00:00", None, True),
    (2, "NORTH", "2024-01-01 09:00:00", "2024-01-03 09:00:00", False),
    (3, "SOUTH", "2024-01-02 10:00:00", None, True),
    (5, "WEST", "2024-01-03 10:00:00", None, True),
]


def versions(place):
    """(patient, ward, from, to, open) of every version."""
    rows = place.table("clinic.patients").orderBy("patient", "valid_from").collect()
    return [
        (
            row.patient,
            row.ward,
            str(row.valid_from),
            None if row.valid_to is None else str(row.valid_to),
            row.is_current,
        )
        for row in rows
    ]
