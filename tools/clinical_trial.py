"""`make example`: the database of a real clinical trial at three dates, loaded after each.

The data are `cgd` of R's package survival, as the package pydataset ships them: 128 patients of a
trial of gamma interferon in chronic granulomatous disease, and the 203 intervals between their
serious infections, in days since each enrolled. So what a database knew on any date follows.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import distribution
from pathlib import Path
from typing import LiteralString

import psycopg

from strandline.command_line import main as strandline
from strandline.command_line import quiet_libraries

FOLDER = Path(__file__).parents[1] / "examples" / "clinical_trial"
STATES = (date(1989, 9, 30), date(1989, 12, 31), date(1990, 6, 30))
"""The dates: half of the patients are enrolled, all of them, some have left."""

_DATA = "resources/rdata/csv/survival/cgd.csv"
_TABLES: LiteralString = """
CREATE TABLE IF NOT EXISTS patients (
  patient_id integer PRIMARY KEY, centre varchar(40) NOT NULL, enrolled_on date NOT NULL,
  treatment varchar(10) NOT NULL, sex varchar(10), age integer, height_cm numeric(5,1),
  weight_kg numeric(5,1), inheritance varchar(10), recorded_at timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS follow_up (
  patient_id integer NOT NULL REFERENCES patients, interval_no integer NOT NULL,
  begins_on date NOT NULL, ends_on date, infected boolean, recorded_at timestamptz NOT NULL,
  PRIMARY KEY (patient_id, interval_no)
);
TRUNCATE patients, follow_up;
"""


@dataclass(frozen=True, slots=True)
class _Interval:
    """A row of the data: days are counted from the patient's enrolment."""

    patient: int
    number: int
    enrolled: date
    begins: date
    ends: date
    infected: bool
    about: Mapping[str, str]


def intervals() -> tuple[_Interval, ...]:
    """All intervals of the trial, as they are known today."""
    # The package is not imported: it would unpack all of its data into the home directory.
    archive = distribution("pydataset").locate_file("pydataset/resources.tar.gz")
    with tarfile.open(str(archive)) as files:
        found = files.extractfile(_DATA)
        text = "" if found is None else found.read().decode("utf-8")
    return tuple(map(_interval, csv.DictReader(io.StringIO(text))))


def _interval(row: Mapping[str, str]) -> _Interval:
    enrolled = date.fromisoformat(row["random"])
    return _Interval(
        patient=int(row["id"]),
        number=int(row["enum"]),
        enrolled=enrolled,
        begins=enrolled + timedelta(days=int(row["tstart"])),
        ends=enrolled + timedelta(days=int(row["tstop"])),
        infected=row["status"] == "1",
        about=row,
    )


def fill(dsn: str, day: date) -> None:
    """Bring the database to what it knew at the end of a day."""
    known = [each for each in intervals() if each.begins <= day]
    last: dict[int, date] = defaultdict(lambda: date.min)
    for each in intervals():
        last[each.patient] = max(last[each.patient], each.ends)
    followed = [each for each in known if last[each.patient] > day]
    with psycopg.connect(dsn) as connection:
        connection.execute(_TABLES)
        _insert(
            connection, "patients", 10, {each.patient: _patient(each) for each in known}.values()
        )
        _insert(connection, "follow_up", 6, [_follow_up(each, day) for each in followed])


def _insert(
    connection: psycopg.Connection, table: str, width: int, rows: Iterable[Sequence[object]]
) -> None:
    places = ", ".join(["%s"] * width)
    statement = f"INSERT INTO {table} VALUES ({places})"  # noqa: S608 - a name of ours
    connection.cursor().executemany(statement.encode(), list(rows))


def _patient(each: _Interval) -> Sequence[object]:
    about = each.about
    return (
        each.patient,
        about["center"],
        each.enrolled,
        about["treat"],
        about["sex"],
        about["age"],
        about["height"],
        about["weight"],
        about["inherit"],
        _noon(each.enrolled),
    )


def _follow_up(each: _Interval, day: date) -> Sequence[object]:
    if each.ends > day:
        return (each.patient, each.number, each.begins, None, None, _noon(each.begins))
    return (each.patient, each.number, each.begins, each.ends, each.infected, _noon(each.ends))


def _noon(day: date) -> datetime:
    """When what happened on a day was written down."""
    return datetime.combine(day, time(12), UTC)


def main() -> int:
    """Begin anew in the example's folder: three states of the database, each loaded."""
    quiet_libraries(verbose=False)
    # Only now: they import Prefect, which reads its settings then.
    from blocks.embedded_postgres import EmbeddedPostgres  # noqa: PLC0415
    from blocks.key_rings.local_key_ring import LocalKeyRing  # noqa: PLC0415
    from blocks.operating_system.owner_only_file import write_private  # noqa: PLC0415

    state = FOLDER / ".strandline"
    EmbeddedPostgres(state / "postgres").stop()
    shutil.rmtree(state, ignore_errors=True)
    server = EmbeddedPostgres(state / "postgres")
    server.start()
    server.create_database("trial")
    key = LocalKeyRing.generate_key().get_secret_value()
    write_private(state / "key-encryption-key", f"{key}\n")
    os.chdir(FOLDER)
    for day in STATES:
        fill(server.dsn_of("trial").get_secret_value(), day)
        sys.stdout.write(f"\n{day}: strandline run '*'\n")
        sys.stdout.flush()
        if code := strandline(["run", "*"]):
            return code
    for words in (
        ("quarantine", "patients"),
        ("history", "follow_up", "patient_id=2,interval_no=3"),
        ("verify", "follow_up"),
        ("access", "patients", "--as", "statistician", "--rows", "2"),
    ):
        sys.stdout.write(f"\nstrandline {' '.join(words)}\n")
        sys.stdout.flush()
        if code := strandline([*words]):
            return code
    sys.stdout.write(f"\nGo on in {FOLDER.relative_to(Path.cwd().parents[1])}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
