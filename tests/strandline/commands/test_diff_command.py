from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from blocks.lookup import block_lookup
from contracts.model.reserved_column_names import OPERATION
from history.reading.published_snapshots import PublishedState, published_states, state_named
from strandline.command_line import main
from strandline.commands.diff_command import Difference, difference_page
from tests.strandline.examples import AIRCRAFT, NOW, day, text_of
from tests.strandline.lakes import flight, load_events, run_settings_in

TARGET = "differing.target_schema.aircraft"


@pytest.fixture(scope="module")
def lake(spark, postgres, tmp_path_factory):
    """Run settings over a table with two batches, its session, and the file that names them."""
    folder = tmp_path_factory.mktemp("differing")
    settings = run_settings_in(folder, postgres, "differing")
    session = settings.spark.session(settings.lakehouse)
    session.sql("CREATE NAMESPACE differing.target_schema")
    first = [flight("N1", day(0), "JFK"), flight("N2", day(1), "LAX")]
    load_events(session, AIRCRAFT, TARGET, first, batch_id="b1")
    second = [
        flight("N1", day(2), "BOS"),
        flight("N2", day(3), "LAX", **{OPERATION: "delete"}),
        flight("N3", day(3), "ORD"),
    ]
    load_events(session, AIRCRAFT, TARGET, second, batch_id="b2")
    blocks = block_lookup.save_local(folder / "blocks.yaml", ("default", settings))
    return SimpleNamespace(spark=session, blocks=blocks)


@pytest.fixture
def strandline(lake, monkeypatch, capsys):
    """Runs a command against the lakehouse: exit code, standard output, standard error."""
    monkeypatch.setenv(block_lookup.VARIABLE, str(lake.blocks))
    monkeypatch.setenv("COLUMNS", "140")

    def run(*arguments: str) -> SimpleNamespace:
        code = main(arguments)
        told = capsys.readouterr()
        return SimpleNamespace(code=code, out=told.out, err=told.err)

    return run


def test_without_ends_it_tells_what_the_last_batch_did_and_no_key(strandline):
    ended = strandline("diff", "aircraft")

    assert (ended.code, ended.err) == (0, "")
    assert "batch b1" in ended.out
    assert "batch b2" in ended.out
    assert "2  appeared" in ended.out
    assert "2  were open and are closed" in ended.out
    assert "N1" not in ended.out


def test_keys_come_where_they_are_asked_for_as_many_as_the_limit(strandline):
    ended = strandline("diff", "aircraft", "--keys", "--json")
    few = strandline("diff", "aircraft", "--keys", "--limit", "1")

    told = json.loads(ended.out)
    assert told["counts"] == {"appeared": 2, "closed": 2, "changed": 0, "vanished": 0}
    assert [(each["key"], each["change"]) for each in told["versions"]] == [
        ("N1", "closed"),
        ("N1", "appeared"),
        ("N2", "closed"),
        ("N3", "appeared"),
    ]
    assert told["versions"][0]["start"] == "2024-01-01T00:00:00+00:00"
    assert told["versions"][0]["end"] == "2024-01-03T00:00:00+00:00"
    assert "1 are shown; --limit shows more" in few.out


def test_the_first_batch_is_compared_with_the_empty_table(strandline):
    told = json.loads(strandline("diff", "aircraft", "--to", "b1", "--json").out)

    assert told["counts"]["appeared"] == 2
    assert told["versions"] is None


def test_states_are_named_by_batch_snapshot_or_moment(lake, strandline):
    known = published_states(lake.spark, TARGET)
    first, second = state_named(known, "b1"), state_named(known, "b2")
    assert isinstance(first, PublishedState)
    assert isinstance(second, PublishedState)
    names = [
        (str(first.snapshot_id), str(second.snapshot_id)),
        (first.published_at.isoformat(), second.published_at.isoformat()),
        ("b1", "b2"),
    ]

    for since, until in names:
        told = json.loads(
            strandline("diff", "aircraft", "--from", since, "--to", until, "--json").out
        )
        assert told["counts"] == {"appeared": 2, "closed": 2, "changed": 0, "vanished": 0}
        assert [end["batch_id"] for end in told["ends"]] == ["b1", "b2"]
    same = strandline("diff", "aircraft", "--from", "b2", "--to", "b2")
    assert "no version differs" in same.out


def test_two_moments_are_compared_by_what_held_then(strandline):
    ended = strandline("diff", "aircraft", "--held", "2024-01-02", "2024-01-05", "--keys")

    assert ended.code == 0
    assert "what held at 2024-01-02" in ended.out
    assert "1  something held then, nothing does now" in ended.out
    assert "1  another version holds, and says something else" in ended.out
    assert "1  nothing held then, something does now" in ended.out


def test_published_states_and_moments_are_not_mixed(strandline):
    ended = strandline("diff", "aircraft", "--from", "b1", "--held", "2024-01-02", "2024-01-05")

    assert ended.code == 64
    assert "UsageError" in ended.err


def test_a_state_that_is_gone_or_never_was_is_named_as_such(strandline):
    assert strandline("diff", "aircraft", "--from", "1999-01-01").code == 66
    assert strandline("diff", "aircraft", "--from", "no-such-batch").code == 64
    assert strandline("diff", "existing_table_1").code == 66


def test_a_page_without_differences_is_short():
    state = PublishedState(7, NOW, "b7")
    found = Difference("aircraft", TARGET, (None, state), dict.fromkeys(["appeared"], 0))

    page = text_of(*difference_page(found, {"appeared": "appeared"}, width=80))

    assert "the empty table" in page
    assert "snapshot 7" in page
    assert page.rstrip().endswith("no version differs")
