"""Runs as OpenLineage's events: valid, complete, without a value, and never a reason to fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from prefect.logging import get_logger
from referencing import Registry, Resource

from blocks.lookup import block_lookup
from blocks.lookup.local_block_file import BlockFile
from blocks.open_lineage_receiver import OpenLineageReceiver
from blocks.source_database import SourceDatabase
from contracts.errors import SchemaDriftError
from flows.apply_retention import apply_retention
from flows.erase_subjects import erase_subjects
from flows.load_table import load_table
from flows.rotate_keys import rotate_keys
from history.iceberg.current_snapshot import current_state
from strandline.command_line import main
from tasks.erasure.erasure_certificate import ErasureRequest
from tasks.lifecycle.open_run import contract_and_settings
from tasks.observability.open_lineage.dataset_facets import source_name
from tasks.observability.open_lineage.tell_runs import TableChange, change_told_as_lineage
from tests.flows.readings import AFTER_BOTH, CANARY, FIRST, SECOND, TABLE, versions
from tests.flows.test_retention import contracts_with

SCHEMAS = Path(__file__).parents[1] / "open_lineage"
KEY = "a-receivers-own-key"


def validators() -> dict[str, Draft202012Validator]:
    """By the id of each of OpenLineage's schemas, what validates against it."""
    documents = [json.loads(path.read_text("utf-8")) for path in SCHEMAS.glob("*.json")]
    registry: Registry[Any] = Registry().with_resources(
        [(each["$id"], Resource.from_contents(each)) for each in documents]
    )
    checker = Draft202012Validator.FORMAT_CHECKER
    return {
        each["$id"]: Draft202012Validator(each, registry=registry, format_checker=checker)
        for each in documents
    }


def facets_in(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "_schemaURL" in value:
            yield value
        for each in value.values():
            yield from facets_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from facets_in(each)


def assert_valid(event: dict[str, Any]) -> None:
    """The event, and each facet by the schema that it names itself."""
    by_id = validators()
    by_id[event["schemaURL"].split("#")[0]].validate(event)
    facets = [*facets_in(event)]
    for facet in facets:
        schema, _, pointer = facet["_schemaURL"].partition("#")
        reference = {"$ref": f"{schema}#{pointer}"}
        by_id[schema].evolve(schema=reference).validate(facet)
    assert len(facets) >= 5


@contextmanager
def receiver(*, answer: int = 201) -> Iterator[SimpleNamespace]:
    """A server that takes what is posted to it: paths, headers, events."""
    got: list[tuple[str, str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Authorization"], body))
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}", got=got)
    finally:
        server.shutdown()
        server.server_close()


def tell(place, **fields: object) -> None:
    """The workplace's blocks, with a receiver."""
    path = place.root / "blocks.yaml"
    settings = place.settings.model_copy(update={"open_lineage": OpenLineageReceiver(**fields)})
    source = BlockFile.read(path).block(SourceDatabase, "source-db-conn")
    block_lookup.save_local(path, ("default", settings), ("source-db-conn", source))


def column(event: dict[str, Any], name: str) -> tuple[list[str], str, bool]:
    """Of an output's column: its source columns, the kind of transformation, whether it masks."""
    (output,) = event["outputs"]
    inputs = output["facets"]["columnLineage"]["fields"][name]["inputFields"]
    (kind,) = {(each["subtype"], each["masking"]) for i in inputs for each in i["transformations"]}
    return [each["field"] for each in inputs], *kind


def test_each_run_is_told_and_valid_with_the_lineage_of_its_columns(readings):
    with receiver() as there:
        tell(readings, url=there.url, api_key=KEY, namespace="clinic")
        for batch in (FIRST, SECOND):
            readings.update(*batch)
            load_table("readings")
        load_table("readings")
        readings.execute("ALTER TABLE clinic.readings DROP COLUMN ward")
        with pytest.raises(SchemaDriftError):
            load_table("readings")

    events = [json.loads(body) for *_, body in there.got]
    assert [each["eventType"] for each in events] == [*["START", "COMPLETE"] * 3, "START", "FAIL"]
    assert {(path, header) for path, header, _ in there.got} == {
        ("/api/v1/lineage", f"Bearer {KEY}")
    }
    for event in events:
        assert_valid(event)
    for begun, ended in zip(events[::2], events[1::2], strict=True):
        assert begun["run"]["runId"] == ended["run"]["runId"]
        assert begun["job"]["name"] == "load-table.readings"
        assert begun["job"]["namespace"] == "clinic"
    text = b"".join(body for *_, body in there.got).decode()
    assert CANARY not in text
    assert KEY not in text
    assert readings.settings.lakehouse.password.get_secret_value() not in text

    second = events[3]
    (source,) = second["inputs"]
    assert source["namespace"].startswith("postgres://127.0.0.1:")
    assert source["name"].endswith(".clinic.readings")
    (output,) = second["outputs"]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 2
    state = current_state(readings.spark, f"{readings.settings.lakehouse.catalog}.clinic.patients")
    assert output["facets"]["version"]["datasetVersion"] == str(state.snapshot_id)
    assert output["facets"]["symlinks"]["identifiers"][0]["name"] == "clinic.patients"
    assert column(second, "patient") == (["patient"], "IDENTITY", False)
    assert column(second, "ward") == (["ward"], "TRANSFORMATION", False)
    assert column(second, "name") == (["name"], "TRANSFORMATION", True)
    assert column(second, "checksum") == (["ward", "name"], "TRANSFORMATION", True)
    assert column(second, "changed_at")[0] == ["changed_at", "created_at"]
    lineage = output["facets"]["columnLineage"]
    assert [each["field"] for each in lineage["dataset"]] == ["state"]
    assert "score" not in lineage["fields"]
    # What changed nothing, and what failed, wrote nothing.
    assert [len(each["outputs"]) for each in events] == [0, 1, 0, 1, 0, 0, 0, 0]
    assert events[-1]["run"]["facets"]["errorMessage"]["message"].startswith("SchemaDriftError")


def test_what_changes_a_history_without_a_source_is_told_too(make_workplace, tmp_path):
    privacy = {"subject": ["patient"], "retention": {"action": "delete", "from": "load"}}
    contracts_with(tmp_path, privacy)
    place = make_workplace(tmp_path)
    place.execute(TABLE)
    path = place.root / "events.jsonl"
    tell(place, file=path)
    target = f"{place.settings.lakehouse.catalog}.clinic.patients"
    for batch in (FIRST, SECOND):
        place.update(*batch)
        loaded = load_table("readings")
    why = ("--reason", "wrong file", "--by", "Ada")
    assert main(["undo", "readings", "--batch", loaded.batch_id, *why, "--dry-run"]) == 0
    assert main(["undo", "readings", "--batch", loaded.batch_id, *why, "--yes"]) == 0
    place.spark.sql(f"UPDATE {target} SET is_current = false, valid_to = now() WHERE patient = 3")  # noqa: S608
    assert main(["rebuild", "readings", "--all", "--yes"]) == 0
    rotate_keys("readings", rewrite=True)
    erase_subjects("readings", "default", [{"patient": "1"}], ErasureRequest(reason="asked for"))
    apply_retention(["readings"])

    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()][4:]
    for event in events:
        assert_valid(event)
    assert CANARY not in path.read_text("utf-8")
    jobs = ("undo-batch", "rebuild", "rotate-keys", "erase-subjects", "apply-retention")
    told = [(event["eventType"], event["job"]["name"]) for event in events]
    assert told == [(state, f"{job}.readings") for job in jobs for state in ("START", "COMPLETE")]
    versions_read = [each["facets"]["version"] for event in events for each in event["inputs"]]
    assert len(versions_read) == len(events)
    # Retention finds nothing that is old enough.
    assert [len(event["outputs"]) for event in events] == [0, 1, 0, 1, 0, 1, 0, 1, 0, 0]
    for event in events[1:8:2]:
        (output,) = event["outputs"]
        assert output["name"] == event["inputs"][0]["name"]
        assert output["facets"]["version"] != event["inputs"][0]["facets"]["version"]
        assert "columnLineage" not in output["facets"]


def test_a_change_that_fails_or_is_interrupted_is_told_so_without_its_words(readings):
    path = readings.root / "changes.jsonl"
    tell(readings, file=path)
    contract, settings = contract_and_settings("readings", "default")
    change = TableChange(readings.spark, settings, contract, "run-1", "rebuild", "REBUILD")
    for error in (ValueError(CANARY), KeyboardInterrupt()):
        with pytest.raises(type(error)), change_told_as_lineage(change):
            raise error

    text = path.read_text("utf-8")
    told = [json.loads(line) for line in text.splitlines()]
    assert [each["eventType"] for each in told] == ["START", "FAIL", "START", "ABORT"]
    assert CANARY not in text


@pytest.mark.nightly
def test_a_receiver_that_refuses_or_is_gone_fails_no_load_and_a_file_takes_lines(readings, caplog):
    get_logger("strandline").propagate = True
    with receiver(answer=500) as there:
        tell(readings, url=there.url, timeout_seconds=2)
        readings.update(*FIRST)
        load_table("readings")
        assert len(there.got) == 2
    readings.update(*SECOND)
    load_table("readings")
    assert versions(readings) == AFTER_BOTH
    assert caplog.text.count("was not sent") == 4
    assert there.url not in caplog.text

    path = readings.root / "lineage" / "events.jsonl"
    tell(readings, file=path)
    load_table("readings")
    lines = path.read_text("utf-8").splitlines()
    assert [json.loads(line)["eventType"] for line in lines] == ["START", "COMPLETE"]
    for line in lines:
        assert_valid(json.loads(line))


def test_a_receiver_is_a_server_or_a_file(tmp_path):
    for fields in ({}, {"url": "http://a", "file": tmp_path}, {"file": tmp_path, "api_key": "k"}):
        with pytest.raises(ValueError, match=r"goes here|leave it out"):
            OpenLineageReceiver(**fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dialect": "mariadb", "host": "h", "port": 3306}, ("mysql://h:3306", "clinic.readings")),
        ({"dialect": "sqlite", "database": "/a.db"}, ("sqlite:///a.db", "clinic.readings")),
    ],
)
def test_sources_have_the_names_of_the_specification(readings, fields, expected):
    contract, _ = contract_and_settings("readings", "default")
    usual = {"database": "d", "user": "u", "password": "p"}
    if fields["dialect"] == "sqlite":
        usual = {}
    source = SourceDatabase(**(usual | fields))
    assert source_name(contract, source) == expected
