"""`strandline contracts new` on a real database: what it finds, proposes and refuses."""

from __future__ import annotations

import json
import re
import socket

import psycopg
import pytest
import yaml
from datacontract.data_contract import DataContract

from blocks.lookup import block_lookup
from blocks.source_database import SourceDatabase
from contracts.authoring.contract_json_schema import CONTRACT_SCHEMA
from contracts.authoring.shorten_contract import shortened
from contracts.loader import load_contract, problems
from contracts.model import Absence, LoadKind, SourceKind
from strandline.command_line import main
from tests.flows.test_source_types import CASES, MADE, SCHEMA, worded

DATABASE = "new_contract_tests"
TABLES = """
CREATE SCHEMA crm;
CREATE TYPE crm.mood AS ENUM ('glad', 'it''s "sad": # no');
CREATE TABLE crm.regions (code char(2) PRIMARY KEY, label text);
CREATE TABLE crm.orders (
    line integer, region char(2) REFERENCES crm.regions (code), number integer,
    placed date NOT NULL, shipped date, amount numeric(8, 2), status varchar(10), note text,
    mood crm.mood, code char(2), ratio numeric,
    PRIMARY KEY (number, line), UNIQUE (placed),
    CONSTRAINT dates CHECK (placed <= shipped),
    CONSTRAINT amounts CHECK (amount > 0 AND amount <= 99.5),
    CONSTRAINT lines CHECK (line > 0 AND line < 100),
    CONSTRAINT states CHECK (status IN ('new', 'sent')),
    CONSTRAINT either CHECK (shipped IS NOT NULL OR status = 'new'),
    CONSTRAINT texts CHECK (length(note) BETWEEN 1 AND 80),
    CONSTRAINT codes CHECK (code IN ('AB', 'C')),
    CONSTRAINT patterns CHECK (status ~ '^[a-z]+$'),
    CONSTRAINT ordered CHECK (status < 'z'),
    CONSTRAINT ratios CHECK (ratio > 0),
    CONSTRAINT part CHECK (line <> 13 AND note <> upper(note))
);
ALTER TABLE crm.orders ADD CONSTRAINT later CHECK (number > 0) NOT VALID;
CREATE TABLE crm.patients (id integer PRIMARY KEY, name text);
CREATE TABLE crm.visits (
    id integer PRIMARY KEY, seen integer REFERENCES crm.patients (id), doctor_email text, room text
);
CREATE TABLE crm.invoices (number integer PRIMARY KEY, email text, last_name text);
CREATE TABLE crm.contacts_of_customers (customer_id integer PRIMARY KEY, email text);
CREATE TABLE crm.signatures (id integer PRIMARY KEY, first_name text, last_name text);
CREATE TABLE crm.pairs (a integer, b integer, PRIMARY KEY (a, b));
CREATE TABLE crm.keyless (name text, id integer, amount double precision);
CREATE TABLE crm.maybe (a integer UNIQUE, b text);
CREATE TABLE crm.price_log (
    article_id integer, price numeric(8, 2), changed_at timestamp NOT NULL
);
CREATE TABLE crm.stamped (id integer PRIMARY KEY, v text, modified timestamptz, created timestamptz
    NOT NULL DEFAULT now());
CREATE TABLE crm.measured (
    id bigint, at timestamptz NOT NULL, v integer, updated_at timestamptz NOT NULL,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE TABLE crm.measured_1 PARTITION OF crm.measured DEFAULT;
CREATE TABLE crm.people (
    email text PRIMARY KEY, name text, checksum text, "Email" text, __own text, "a b" integer,
    "A b" integer, "a.b" integer, "öl" integer, is_current boolean, read_at timestamp, _file text,
    "select" integer, "q""uote" integer, "new
line" integer
);
CREATE VIEW crm.view_of_people AS SELECT * FROM crm.people;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE crm.elsewhere (code text, id bigint) SERVER nowhere;
CREATE MATERIALIZED VIEW crm.kept AS SELECT code, label FROM crm.regions;
CREATE TABLE crm.guarded (id integer PRIMARY KEY, v text);
ALTER TABLE crm.guarded ENABLE ROW LEVEL SECURITY;
CREATE TABLE crm.secret (id integer PRIMARY KEY);
CREATE TABLE crm.half (id integer PRIMARY KEY, shown text, hidden text);
CREATE SCHEMA "my.schema";
CREATE TABLE "my.schema"."a.table" (id integer PRIMARY KEY, v text, "x.y" text);
COMMENT ON TABLE crm.regions IS E'First line\\nsecond: "line" # and {more}';
COMMENT ON COLUMN crm.regions.label IS '- what: it is called';
GRANT USAGE ON SCHEMA crm, "my.schema" TO contract_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA crm, "my.schema" TO contract_reader;
REVOKE SELECT ON crm.secret, crm.half FROM contract_reader;
GRANT SELECT (id, shown) ON crm.half TO contract_reader;
"""


@pytest.fixture(scope="module")
def database(postgres):
    """A database of the tests' own, and a user who may read most of it."""
    postgres.create_database(DATABASE)
    with psycopg.connect(postgres.dsn_of(DATABASE).get_secret_value(), autocommit=True) as session:
        session.execute("CREATE ROLE contract_reader LOGIN PASSWORD 'for-tests'")
        session.execute(TABLES)
        yield session
        session.execute("DROP OWNED BY contract_reader")
        session.execute("DROP ROLE contract_reader")
    with psycopg.connect(postgres.dsn.get_secret_value(), autocommit=True) as session:
        session.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())


@pytest.fixture(scope="module", autouse=True)
def blocks(postgres, database, tmp_path_factory):
    """The blocks: the database by its owner and by the reader, and one that nobody serves."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        free = unused.getsockname()[1]

        def source(user, password, port):
            return SourceDatabase(
                host=postgres.host, port=port, database=DATABASE, user=user, password=password,
                connect_timeout_seconds=2,
            )  # fmt: skip

        path = block_lookup.save_local(
            tmp_path_factory.mktemp("blocks") / "blocks.yaml",
            ("crm-db", source(postgres.user, postgres.password, postgres.port)),
            ("reader", source("contract_reader", "for-tests", postgres.port)),
            ("silent", source(postgres.user, postgres.password, free)),
        )
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv(block_lookup.VARIABLE, str(path))
            yield


@pytest.fixture
def new(tmp_path, capsys):
    """Writes a contract; gives what the command says as JSON, and the contract."""

    def write(table, *more, source="crm-db"):
        code = main([*words(tmp_path, table, source), "--json", *more])
        told = json.loads(capsys.readouterr().out)
        assert code == 0, told
        path = next(iter(tmp_path.glob("*.yaml"))) if "--output" in more else None
        path = path or tmp_path / f"{told['contract']}.yaml"
        assert problems(path) == ()
        return told, load_contract(path), path.read_text(encoding="utf-8")

    return write


@pytest.fixture
def refused(tmp_path, capsys):
    """Types the command, which fails; gives the exit code and the error."""

    def type_(table, *more, source="crm-db"):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*.yaml")}
        code = main([*words(tmp_path, table, source), "--json", *more])
        assert {path: path.read_bytes() for path in tmp_path.rglob("*.yaml")} == before
        return code, json.loads(capsys.readouterr().out)["error"]

    return type_


def words(folder, table, source):
    return ("contracts", "new", "--source", source, "--table", table, "--output", str(folder))


def promises(text):
    """What the columns of the target promise, by name."""
    (schema,) = yaml.safe_load(text)["schema"]
    return {
        each["name"]: {
            **each.get("logicalTypeOptions", {}),
            **({"enum": [v["value"] for v in each["enum"]]} if "enum" in each else {}),
        }
        for each in schema["properties"]
        if "enum" in each or "logicalTypeOptions" in each
    }


def test_a_table_with_every_type_gets_a_contract_that_names_each_column(postgres, database, new):
    made = MADE.replace("{schema}", SCHEMA)
    declared = [worded(each.declared, postgres.user) for each in CASES]
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(declared))
    database.execute(f"{made}; CREATE TABLE {SCHEMA}.everything (id int PRIMARY KEY, {columns})")

    told, contract, _ = new(f"{SCHEMA}.everything")

    assert told["left_out"] == []
    assert {each.name for each in contract.source.columns} == {
        "id", *(f"c{number}" for number in range(len(CASES))),
    }  # fmt: skip
    types = {each.name: each.type for each in contract.source.columns}
    first = {}
    for number, each in enumerate(CASES):
        first.setdefault(declared[number], (f"c{number}", each.wanted))
    plain = {"boolean", "smallint", "integer", "bigint", "real", "numeric(12,2)", "text", "bytea"}
    plain |= {"date", "timestamp", "timestamptz", "double precision", "varchar(5)", "uuid"}
    assert {kind: types[first[kind][0]] for kind in plain} == {
        kind: first[kind][1] for kind in plain
    }


def test_constraints_become_promises_where_they_mean_the_same(new):
    told, contract, text = new("crm.orders")

    assert (contract.key, told["key"]) == (("number", "line"), ["number", "line"])
    assert promises(text) == {
        "line": {"minimum": 1, "maximum": 99},
        "amount": {"maximum": 99.5},
        "status": {"enum": ["new", "sent"]},
        "note": {"minLength": 1, "maxLength": 80},
        "mood": {"enum": ["glad", 'it\'s "sad": # no']},
    }
    conditions = {
        check.id: check.arguments["then"] for check in contract.checks if check.rule == "condition"
    }
    assert conditions == {
        "dates": "placed <= shipped",
        "amounts": "amount > 0",
        "either": "(shipped IS NOT NULL OR status = 'new')",
        "part": "line <> 13",
    }
    left = re.search(r"# Not translated exactly, so left out: (.*)\.", text)
    assert left is not None
    assert set(left[1].split(", ")) == {"codes", "patterns", "ordered", "ratios", "part"}
    assert "foreign key to crm.regions.code" in text
    assert "# relationships: [{to: crm.regions.code}]" in text


@pytest.mark.parametrize(
    ("table", "subject"),
    [
        ("visits", ("seen",)),
        ("invoices", ("email",)),
        ("signatures", ("first_name", "last_name")),
        ("patients", ()),
        ("contacts_of_customers", ()),
        ("regions", ()),
    ],
)
def test_whom_a_row_may_be_about_is_a_decision_where_the_key_does_not_say_it(new, table, subject):
    told, contract, text = new(f"crm.{table}")

    assert contract.subject == subject
    assert [each["text"].startswith("rows may be about") for each in told["decisions"]] == (
        [True] if subject else []
    )
    assert ("privacy:" in text) is bool(subject)


def test_the_standards_own_linter_accepts_what_is_written(tmp_path, new):
    new("crm.orders")

    run = DataContract(
        data_contract_file=str(tmp_path / "orders.yaml"), inline_references=False, all_errors=True
    ).lint()

    assert [check.reason for check in run.checks if check.result != "passed"] == []


@pytest.mark.parametrize("table", ["orders", "people", "stamped", "price_log", "measured", "pairs"])
def test_what_is_written_is_the_short_form(new, table):
    _, contract, text = new(f"crm.{table}")

    short = shortened(text, contract.name)

    # A key or a type that a comment is about stays as it is, and so does a line of its own.
    assert len(text.splitlines()) - len(short.splitlines()) <= 3
    assert "transformation: {" not in text.replace("transformation: {name: literal", "")
    assert yaml.safe_load(text).get("name") is None


def test_editors_find_the_schema_that_lies_beside_a_contract(tmp_path, new):
    (tmp_path / CONTRACT_SCHEMA).touch()

    _, _, text = new("crm.regions")

    assert text.startswith(f"# yaml-language-server: $schema={CONTRACT_SCHEMA}\n# crm.regions of")


def test_a_foreign_key_refers_to_the_history_of_its_table_once_there_is_one(new):
    new("crm.regions")
    _, contract, _ = new("crm.orders")

    (reference,) = [check for check in contract.checks if check.rule == "references"]
    assert reference.arguments == {"column": "code", "history": "crm.regions"}
    assert (reference.columns, reference.weight, reference.refuses_rows) == (
        ("region",),
        0.1,
        False,
    )


def test_comments_are_descriptions_whatever_is_in_them(new):
    _, contract, _ = new("crm.regions")

    assert contract.description == 'First line second: "line" # and {more}'
    assert contract.column("label").description == "- what: it is called"
    assert contract.column("code").description == "The value of crm.regions.code."


def test_a_table_of_keys_alone_tracks_that_they_are_there(new):
    told, contract, _ = new("crm.pairs")

    assert contract.key == ("a", "b")
    assert contract.history.tracked == ("present",)
    assert (contract.source.sequence, contract.history.absent) == ((), Absence.CLOSE)
    assert told["decisions"] == []


@pytest.mark.parametrize(
    ("table", "key", "why"),
    [
        ("crm.keyless", "id", "the source proves no key"),
        ("crm.maybe", "a", "may be null"),
        ("crm.view_of_people", "email", "the source proves no key"),
        ("crm.kept", "code", "the source proves no key"),
        ("crm.elsewhere", "code", "the source proves no key"),
    ],
)
def test_a_key_that_nothing_proves_is_a_decision(new, table, key, why):
    told, contract, text = new(table)

    assert contract.key == (key,)
    decision = next(each for each in told["decisions"] if why in each["text"])
    line = text.splitlines()[decision["line"] - 1]
    assert line.strip() == f"# DECIDE: {decision['text']}"
    assert contract.source.kind is SourceKind.STATE


def test_a_log_without_a_key_is_read_as_changes_if_the_user_agrees(new):
    told, contract, _ = new("crm.price_log")

    assert contract.source.kind is SourceKind.EVENTS
    assert (contract.key, contract.source.sequence) == (("article_id",), ("changed_at",))
    assert contract.source.watermark == ("changed_at",)
    assert any("named like a log" in each["text"] for each in told["decisions"])


def test_a_stamp_that_may_be_missing_is_followed_by_one_that_may_not(new):
    _, contract, _ = new("crm.stamped")

    assert contract.source.sequence == contract.source.watermark == ("modified", "created")
    assert (contract.source.load, contract.history.absent) == (LoadKind.FULL, Absence.CLOSE)


def test_a_key_splits_the_read_only_where_pages_do_not(database, new):
    database.execute(
        "CREATE TABLE crm.readings AS SELECT id, 'x' AS v FROM generate_series(1, 200000) AS id"
    )
    database.execute("CREATE VIEW crm.view_of_readings AS SELECT * FROM crm.readings")
    database.execute("ANALYZE crm.readings")
    _, whole, _ = new("crm.readings", "--no-samples")
    _, seen, text = new("crm.view_of_readings", "--no-samples")

    assert whole.source.partition_column is None
    assert seen.key == ("id",)
    assert seen.source.partition_column == "id"
    assert "splits the read" in text


def test_a_big_table_is_loaded_from_its_watermark_on_if_the_user_agrees(database, new):
    database.execute("CREATE INDEX ON crm.measured (updated_at)")
    database.execute("UPDATE pg_class SET reltuples = 2500000, relpages = 9000 WHERE relname = "
                     "'measured_1'")  # fmt: skip

    told, contract, text = new("crm.measured", "--no-samples")

    assert (told["rows"], told["source_kind"]) == (2_500_000, "partitioned table")
    assert contract.source.load is LoadKind.INCREMENTAL
    assert contract.source.watermark == ("updated_at",)
    assert contract.source.partition_column == "at"
    assert "watermark: [updated_at]  # an index supports it" in text
    assert any("deleted rows" in each["text"] for each in told["decisions"])


def test_odd_names_are_kept_or_said_to_be_left_out(new):
    told, contract, text = new("crm.people")

    names = {each.name: each.sources for each in contract.columns if each.sources}
    assert (names["a_b"], names["a_b_2"]) == (("a b",), ("a.b",))
    assert {"ol", "source_file", "select", "q_uote", "new_line"} <= names.keys()
    generated = {each.transformation.name: each.name for each in contract.columns}
    assert (names["is_current"], generated["is_current"]) == (("is_current",), "is_current_2")
    assert {each["source_column"] for each in told["left_out"]} == {"Email", "__own", "A b"}
    assert text.count("# Left out:") == 3
    assert contract.column("email").protection is not None
    decisions = [each["text"] for each in told["decisions"]]
    assert any("pseudonym" in each for each in decisions)
    assert any("derived_from of checksum" in each for each in decisions)


def test_names_with_dots_are_typed_in_quotes(new):
    told, contract, _ = new('"my.schema"."a.table"', "--target", "crm.dotted", "--name", "dotted")

    assert (contract.source.schema, contract.source.table) == ("my.schema", "a.table")
    assert contract.column("x_y").sources == ("x.y",)
    assert (told["contract"], told["target"]) == ("dotted", "crm.dotted")


def test_row_security_and_columns_that_are_not_ours_are_said(new):
    guarded, _, text = new("crm.guarded", source="reader")
    half, contract, _ = new("crm.half", source="reader")

    assert any("row-level security applies" in note for note in guarded["notes"])
    assert "# DECIDE: row-level security applies" in text
    assert [each["source_column"] for each in half["left_out"]] == ["hidden"]
    assert "grant SELECT" in half["left_out"][0]["why"]
    assert {each.name for each in contract.source.columns} == {"id", "shown"}


def test_the_page_shows_columns_and_decisions_with_their_lines(tmp_path, capsys):
    assert main([*words(tmp_path, "crm.keyless", "crm-db")]) == 0

    page = capsys.readouterr().out
    (line,) = [
        number
        for number, text in enumerate((tmp_path / "keyless.yaml").read_text().splitlines(), 1)
        if "# DECIDE:" in text
    ]
    assert "crm.keyless, a table of about 0 rows" in page
    assert "double precision  DOUBLE" in page
    assert "1 decision:" in page
    assert f"keyless.yaml:{line}  the source proves no key" in page
    assert re.search(r"next: strandline contracts check .*keyless\.yaml", page)


def test_a_contract_is_checked_by_its_name(tmp_path, capsys, monkeypatch):
    from strandline.commands.contracts import contracts_command

    assert main([*words(tmp_path, "crm.regions", "crm-db")]) == 0
    monkeypatch.setattr(contracts_command, "_folder", lambda folder, settings: tmp_path)
    assert main(["contracts", "check", "regions"]) == 0
    assert "1 contract, no problems" in capsys.readouterr().out


CANARY = "Xanthippe"


def test_no_sampled_value_is_in_the_file_the_output_or_the_log(database, tmp_path, capfd, caplog):
    database.execute(
        "CREATE TABLE crm.canaries (id text PRIMARY KEY, name text, made text, n bytea)"
    )
    database.execute(
        "INSERT INTO crm.canaries SELECT 'Xanthippe' || n, 'Xanthippe Mc' || n, 'by Xanthippe Mc'"
        " || n, convert_to('Xanthippe', 'UTF8') FROM generate_series(1, 50) AS n"
    )
    database.execute(
        "CREATE VIEW crm.failing AS SELECT id, (CASE WHEN id <> '' THEN name END)::integer AS bad"
        " FROM crm.canaries"
    )

    for table, code in (("crm.canaries", 0), ("crm.failing", 0), ("crm.canaris", 66)):
        assert main([*words(tmp_path, table, "crm-db")]) == code
    said = capfd.readouterr()
    files = [path.read_text(encoding="utf-8") for path in tmp_path.glob("*.yaml")]

    assert len(files) == 2
    for text in (said.out, said.err, caplog.text, *files):
        assert CANARY not in text
    assert "no sample: the source did not give them (SourceValueError)" in said.out


def test_without_samples_no_row_is_read(database, new):
    database.execute(
        "CREATE TABLE IF NOT EXISTS crm.sampled (id integer PRIMARY KEY, contact text)"
    )
    database.execute(
        "INSERT INTO crm.sampled SELECT n, 'a' || n || '@b.example'"
        " FROM generate_series(1, 50) AS n"
    )

    told, _, _ = new("crm.sampled", "--no-samples")
    seen, _, _ = new("crm.sampled", "--force")

    assert told["rows"] > 0  # as the database plans for
    assert [each["classification"] for each in told["columns"]] == [None, None]
    assert told["notes"] == ["no sample: not asked for; suggestions are by name alone"]
    assert [each["classification"] for each in seen["columns"]] == [None, "CONFIDENTIAL"]
    assert "50 of 50 sampled values look like e-mail addresses" in seen["columns"][1]["notes"]


def test_a_view_that_fails_on_a_row_is_not_read_without_samples(database, new):
    database.execute("CREATE VIEW crm.dividing AS SELECT id, 1 / (id - id) AS n FROM crm.keyless")
    database.execute("INSERT INTO crm.keyless VALUES ('x', 1, 1)")

    told, _, _ = new("crm.dividing", "--no-samples")
    tried, _, _ = new("crm.dividing", "--force")

    assert told["notes"] == ["no sample: not asked for; suggestions are by name alone"]
    assert "SourceValueError" in tried["notes"][0]


def test_a_sample_is_bounded_and_of_all_over_a_big_table(database, new):
    database.execute("CREATE TABLE crm.many (id integer PRIMARY KEY, contact text)")
    database.execute(
        "INSERT INTO crm.many SELECT n, CASE WHEN n <= 1000 THEN 'x' ELSE 'a' || n || '@b.example'"
        " END FROM generate_series(1, 120000) AS n; ANALYZE crm.many"
    )

    told, _, _ = new("crm.many")

    assert told["rows"] == 120_000
    assert told["columns"][1]["classification"] == "CONFIDENTIAL"


@pytest.mark.parametrize(
    ("table", "more", "source", "code", "kind", "words"),
    [
        ("crm.regions", (), "crm-dbb", 78, "SettingsError", "crm-db"),
        ("crm.region", (), "crm-db", 66, "NotFoundError", "near it: crm.regions"),
        ("crm.Regions", (), "crm-db", 66, "NotFoundError", "near it: crm.regions"),
        ("crm.secret", (), "reader", 78, "SourceAccessError", "none"),
        ("crm.regions", (), "silent", 75, "SourceUnavailableError", "Connection refused"),
        ("regions", (), "crm-db", 64, "UsageError", "regions"),
        ("crm.regions", ("--target", "x"), "crm-db", 64, "UsageError", "x"),
        ("crm.regions", ("--name", "a b"), "crm-db", 64, "UsageError", "a b"),
    ],
)
def test_each_mistake_is_an_error_that_says_what_to_do(
    refused, table, more, source, code, kind, words
):
    found, error = refused(table, *more, source=source)

    assert (found, error["kind"]) == (code, kind)
    assert words in error["found"]
    assert error["next_step"]


def test_a_table_without_a_schema_is_looked_for_where_tables_mostly_are(
    refused, monkeypatch, tmp_path
):
    sources = {
        "pg": {"user": "me"}, "maria": {"dialect": "mariadb", "user": "me", "database": "shop"},
        "lite": {"dialect": "sqlite", "database": "shop.db"},
    }  # fmt: skip
    blocks = [(name, SourceDatabase(**fields)) for name, fields in sources.items()]
    path = block_lookup.save_local(tmp_path / "blocks" / "some.yml", *blocks)
    monkeypatch.setenv(block_lookup.VARIABLE, str(path))

    next_steps = {name: refused("orders", source=name)[1]["next_step"] for name in sources}

    assert {name: step.split()[-1] for name, step in next_steps.items()} == {
        "pg": "public.orders", "maria": "shop.orders", "lite": "main.orders",
    }  # fmt: skip


def test_nothing_is_overwritten_without_force(tmp_path, refused, new):
    new("crm.regions")
    (tmp_path / "regions.yaml").write_text("mine")

    code, error = refused("crm.regions")
    assert (code, error["kind"]) == (64, "UsageError")
    assert "--force" in error["next_step"]
    new("crm.regions", "--force")


def test_one_table_has_one_contract(refused, new):
    new("crm.regions")

    code, error = refused("crm.regions", "--name", "others")

    assert (code, error["kind"]) == (78, "ContractError")
    assert "regions.yaml for crm.regions" in error["found"]


def test_a_file_has_the_name_of_its_contract(tmp_path, refused, capsys):
    path = tmp_path / "mine.yaml"
    typed = ("contracts", "new", "--source", "crm-db", "--table", "crm.regions", "--output")

    code, error = refused("crm.regions", "--name", "x", "--output", str(path))
    assert (code, error["kind"]) == (64, "UsageError")
    assert main([*typed, str(path)]) == 0
    assert load_contract(path).name == "mine"
    assert main([*typed, str(tmp_path / "none" / "mine.yaml")]) == 64
