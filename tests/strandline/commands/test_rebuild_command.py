from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
from rich.console import Console

from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from contracts.model.reserved_column_names import OPERATION
from history import load_changes
from history.model.load_report import REPORT
from strandline.command_line import main
from strandline.terminal.ask_user import agreed
from strandline.terminal.console_output import CommandOutput
from tasks import rebuild as rebuild_tasks
from tasks.compiler.contract_to_history_settings import history_settings
from tasks.lifecycle.table_lock import table_lock
from tasks.run.run_context import PIPELINE
from tests.strandline.examples import AIRCRAFT, NOW, day
from tests.strandline.lakes import create_ledgers, flight, load_events, run_settings_in

TARGET = "restated.target_schema.aircraft"
EVENTS = [
    *[flight("N1", day(0), "JFK"), flight("N1", day(2), "BOS")],
    *[flight("N2", day(1), "LAX"), flight("N2", day(3), "LAX", **{OPERATION: "delete"})],
    flight("N3", day(9), "ORD"),
]


@pytest.fixture(scope="module")
def lake(spark, postgres, tmp_path_factory):
    """Run settings over one table, its session, and the file that names them."""
    folder = tmp_path_factory.mktemp("restated")
    settings = run_settings_in(folder, postgres, "restated")
    session = settings.spark.session(settings.lakehouse)
    session.sql("CREATE NAMESPACE restated.target_schema")
    load_events(session, AIRCRAFT, TARGET, EVENTS)
    source = SourceDatabase(
        port=postgres.port, database="restated", user=postgres.user, password=postgres.password
    )
    blocks = block_lookup.save_local(
        folder / "blocks.yaml",
        ("default", settings),
        (AIRCRAFT.source.connection.replace("_", "-"), source),
    )
    return SimpleNamespace(spark=session, blocks=blocks, settings=settings)


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


def state(lake) -> list[tuple]:
    rows = lake.spark.table(TARGET).orderBy("tail_number", "valid_from").collect()
    return [(row.tail_number, row.airport, row.valid_to, row.is_current) for row in rows]


def reopen(lake, *keys: str) -> None:
    """What somebody's hand might do: the closed versions of keys are open again."""
    named = ", ".join(f"'{key}'" for key in keys)
    lake.spark.sql(
        f"UPDATE {TARGET} SET is_current = true, valid_to = NULL "  # noqa: S608
        f"WHERE tail_number IN ({named})"
    )


def refs(lake) -> list[str]:
    return [row.name for row in lake.spark.table(f"{TARGET}.refs").collect()]


def test_what_differs_is_shown_and_published_only_with_a_yes(lake, strandline):
    sound = state(lake)
    reopen(lake, "N1", "N2")
    broken = state(lake)

    shown = strandline("rebuild", "aircraft", "--all", "--show", "1")

    assert shown.code == 65
    assert "2  were open and are closed" in shown.out
    assert "not published yet, batch rebuild-" in shown.out
    assert "N1" in shown.out
    assert "N2" not in shown.out
    assert "1 are shown; a greater --show shows more" in shown.out
    assert "not published, and dropped" in shown.out
    assert (state(lake), refs(lake)) == (broken, ["main"])

    by_key = strandline("rebuild", "aircraft", "--keys", "N1", "N3", "--yes", "--json")
    told = json.loads(by_key.out)
    assert (by_key.code, told["state"], told["report"]["versions"]) == (0, "published", 3)
    assert state(lake) == [*sound[:2], *broken[2:]]
    rest = strandline("rebuild", "aircraft", "--where", "tail_number LIKE '%2'", "--yes")
    assert rest.code == 0
    assert "next: strandline diff aircraft --keys" in rest.out
    assert (state(lake), refs(lake)) == (sound, ["main"])


@pytest.mark.nightly
def test_a_script_reads_what_would_differ_since_a_moment(lake, strandline):
    assert strandline("rebuild", "aircraft", "--all").code == 0
    reopen(lake, "N1", "N2")

    told = json.loads(strandline("rebuild", "aircraft", "--since", "2024-01-02", "--json").out)

    assert (told["state"], told["report"]["changed"]) == ("dropped", 2)
    assert told["report"]["versions"] == 4
    assert told["difference"]["counts"]["closed"] == 2
    assert told["difference"]["versions"] is None
    assert strandline("rebuild", "aircraft", "--all", "--yes").code == 0


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Interrupted(_Terminal):
    def readline(self, *_size) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("typed", "code"),
    [(_Interrupted(), 130), (_Terminal("yes\n"), 0)],
    ids=["ctrl-c", "yes"],
)
def test_at_a_terminal_it_asks(lake, monkeypatch, typed, code):
    monkeypatch.setenv(block_lookup.VARIABLE, str(lake.blocks))
    reopen(lake, "N2")
    broken = state(lake)
    screen = _Terminal()
    monkeypatch.setattr("sys.stdin", typed)
    monkeypatch.setattr("sys.stderr", screen)

    assert main(["rebuild", "aircraft", "--keys", "N2"]) == code

    assert "Publish this? [y/N]" in screen.getvalue()
    assert (state(lake) == broken) == (code != 0)
    assert refs(lake) == ["main"]


@pytest.mark.parametrize(
    ("typed", "yes"),
    [("y\n", True), (" YES \n", True), ("n\n", False), ("\n", False), ("", False)],
)
def test_only_a_yes_is_one(monkeypatch, typed, yes):
    monkeypatch.setattr("sys.stdin", _Terminal(typed))
    screen = CommandOutput(Console(file=_Terminal()), Console(file=_Terminal()))

    assert agreed(screen, "Publish this?") is yes
    assert not agreed(CommandOutput(screen.out, screen.err, as_json=True), "Publish this?")


@pytest.mark.nightly
def test_what_was_shown_is_planned_anew_where_another_writer_came_first(
    lake, strandline, monkeypatch
):
    reopen(lake, "N2")
    publish, raced = rebuild_tasks.publish_rebuild, []

    def intruded(spark, batch, written):
        if not raced:
            raced.append(batch.id)
            more = [flight("N4", day(5), "JFK")]
            load_events(lake.spark, AIRCRAFT, TARGET, more, batch_id="b2")
        return publish(spark, batch, written)

    monkeypatch.setattr(rebuild_tasks, "publish_rebuild", intruded)
    ended = strandline("rebuild", "aircraft", "--all", "--yes")

    assert ended.code == 0
    assert "planned anew" in ended.err
    assert ended.out.count("were open and are closed") == 2
    assert [row[0] for row in state(lake)] == ["N1", "N1", "N2", "N3", "N4"]


@pytest.mark.nightly
def test_a_load_that_was_not_recorded_is_recorded_before_the_rebuild_hides_it(lake, strandline):
    create_ledgers(lake.spark, "restated.governance", "run_metrics", "data_lineage")
    told = {"run_id": "j9", "started": NOW.isoformat(), "rows_read": 7, "score": 1.0}
    counts = dict.fromkeys(("opened", "closed", "late", "deleted", "unchanged"), 1)
    load_changes(
        lake.spark,
        lake.spark.table(TARGET)
        .limit(0)
        .drop(*history_settings(AIRCRAFT).filled)
        .selectExpr("*", f"'upsert' AS {OPERATION}"),
        TARGET,
        history_settings(AIRCRAFT),
        batch_id="b9",
        batch_time=NOW,
        watermark=NOW.isoformat(),
        properties={PIPELINE: json.dumps(told), REPORT: json.dumps(counts)},
    )
    reopen(lake, "N2")

    for _ in range(2):
        assert strandline("rebuild", "aircraft", "--all", "--yes").code == 0

    (row,) = lake.spark.table("restated.governance.run_metrics").collect()
    assert (row.batch_id, row.rows_read, row.state) == ("b9", 7, "published")
    (now,) = json.loads(strandline("status", "--json").out)["tables"][:1]
    assert now["watermark"] == NOW.isoformat()
    assert now["batch_id"].startswith("rebuild-")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("aircraft",), 64),
        (("aircraft", "--all", "--keys", "N1"), 64),
        (("aircraft", "--where", "airport = 'JFK'"), 64),
        (("aircraft", "--where", "tail_number ="), 64),
        (("aircraft", "--since", "yesterday"), 64),
        (("aircraft", "--keys", "N4242"), 66),
        (("existing_table_1", "--all"), 66),
    ],
)
def test_what_can_not_be_meant_is_told_without_a_key(strandline, arguments, code):
    ended = strandline("rebuild", *arguments)

    assert ended.code == code
    assert "JFK" not in ended.err
    assert "N4242" not in ended.err


def test_a_rebuild_and_a_load_do_not_run_at_once(lake, strandline):
    with table_lock(lake.settings.state_directory, TARGET, run_id="load"):
        assert strandline("rebuild", "aircraft", "--all").code == 75
