"""Retention of a table that is read as it is now, and of what lies beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import yaml

from contracts.errors import NotFoundError, QualityGateError
from flows.decisions.publish_batch import publish_held_batch
from flows.load_table import load_table
from strandline.command_line import main
from tasks.retention.retain_table import retain_table
from tasks.run.quarantine_decision import Action, Decision
from tests.flows.state_contracts import write_contract

COLUMNS = {
    "id": "INTEGER",
    "name": "VARCHAR(60)",
    "grade": "INTEGER",
    "updated_at": "TIMESTAMP",
}
PEOPLE = [(n, f"Ottoline {n}", 1, "2024-01-01") for n in (1, 3, 4)]
INSERT = "INSERT INTO people VALUES (%s, %s, %s, %s)"
WHY = ("--reason", "letter")


def write_people(folder):
    source = {"load": "full", "closing_limit": {"percent": 100}}
    write_contract(folder, "people", COLUMNS, source, {"absent": "close"})
    path = folder / "people.yaml"
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    told["slaProperties"] = [{"property": "retention", "value": 30, "unit": "d"}]
    (name,) = [each for each in told["schema"][0]["properties"] if each["name"] == "name"]
    name["classification"] = "RESTRICTED"
    name["customProperties"][0]["value"]["protection"] = {"kind": "encrypt"}
    between = {"rule": "between", "columns": ["grade"], "arguments": {"low": 0, "high": 9}}
    told["schema"][0]["quality"] = [
        {"id": "graded", "type": "custom", "engine": "strandline", "severity": "error",
         "implementation": between}
    ]  # fmt: skip
    own = told["customProperties"][0]["value"]
    own["privacy"] = {"retention": {"action": "anonymise"}}
    own["quality"] = {"threshold": 0.5, "refused_percent": 100}
    for column in own["source"]["columns"]:
        column["classification"] = "RESTRICTED" if column["name"] == "name" else "INTERNAL"
    path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")


def versions(place):
    rows = place.table("states.people").orderBy("id", "valid_from").collect()
    return [(row.id, row.name is not None, row.is_current) for row in rows]


def stages(place):
    catalog = place.settings.lakehouse.catalog
    return [row.tableName for row in place.spark.sql(f"SHOW TABLES IN {catalog}.stage").collect()]


def test_a_retired_record_stays_away_until_its_row_is_there_again(make_workplace, tmp_path, capsys):
    write_people(tmp_path)
    place = make_workplace(tmp_path)
    place.execute(
        "CREATE TABLE people (id integer, name varchar(60), grade integer, updated_at timestamp)"
    )
    place.execute(INSERT, *PEOPLE, (2, "Zephyrine", 1, "2024-01-01"))
    load_table("people")
    place.execute("DELETE FROM people WHERE id = 2")
    load_table("people")
    # It comes back, is refused, and then waits on the stage of a batch that is kept back.
    place.execute(INSERT, (2, "Zephyrine", 90, None))
    load_table("people")
    place.execute("UPDATE people SET grade = CASE id WHEN 2 THEN 1 ELSE 90 END")
    with pytest.raises(QualityGateError):
        load_table("people")
    place.execute("DELETE FROM people WHERE id = 2")
    place.execute("UPDATE people SET grade = 1")
    others = [(n, True, True) for n in (1, 3, 4)]
    assert versions(place) == [others[0], (2, True, False), *others[1:]]
    assert len(stages(place)) == 1
    # Somebody else is under hold, so that what lies beside the table stays.
    assert main(["hold", "place", "people", "--subject", "1", "--matter", "case", *WHY]) == 0

    later = datetime.now(UTC) + timedelta(days=31)
    done = retain_table.fn("people", "default", run_id="later", now=later, dry_run=False)

    assert done.error is None
    assert done.beside_is_held
    assert (done.counts["records"], done.counts["versions"]) == (1, 1)
    assert (done.counts["stages"], done.counts["refused_rows"]) == (1, 0)
    assert stages(place) == []
    (batch,) = place.table("governance.held_batches").collect()
    wanted = Decision(Action.PUBLISH_BATCH, "Ada", "checked", datetime.now(UTC))
    with pytest.raises(NotFoundError, match="removed"):
        publish_held_batch("people", "default", batch.batch_id, wanted)
    retired = [(-1, False, False), *others]
    assert versions(place) == retired

    decision = ("people", "--all", *WHY)
    assert main(["quarantine", "fix", *decision, "--set", "grade=1"]) == 0
    assert main(["quarantine", "release", *decision]) == 0
    capsys.readouterr()
    load_table("people")
    assert versions(place) == retired
    place.execute(INSERT, (2, "Zephyrine", 1, "2024-01-01"))
    assert load_table("people").staged.erased == 0
    assert versions(place) == [retired[0], others[0], (2, True, True), *others[1:]]
