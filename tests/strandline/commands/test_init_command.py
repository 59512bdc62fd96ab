"""`strandline init` against a real database: what it finds, makes and refuses.

It loads nothing here: the load is in tests/wheel, from a wheel outside of the checkout.
"""

from __future__ import annotations

import json
import socket
import stat
from importlib import import_module

import psycopg
import pytest
import yaml
from prefect import Flow

from blocks.lookup import block_lookup
from blocks.spark import java_installation
from contracts.loader import load_contracts
from deployments.server_setup.read_prefect_yaml import Project
from strandline.command_line import main
from strandline.commands.init import make_project
from tests.strandline.shop import READER, SHOP

DATABASE = "init_tests"


@pytest.fixture(scope="module")
def address(postgres):
    """The address of a database that nobody here knows, for a user who may read most of it."""
    postgres.create_database(DATABASE)
    with psycopg.connect(postgres.dsn_of(DATABASE).get_secret_value(), autocommit=True) as session:
        session.execute(SHOP)
        yield f"postgresql://{READER}@127.0.0.1:{postgres.port}/{DATABASE}"
        session.execute(f"DROP OWNED BY {READER}".encode())
        session.execute(f"DROP ROLE {READER}".encode())
    with psycopg.connect(postgres.dsn.get_secret_value(), autocommit=True) as session:
        session.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())


@pytest.fixture(autouse=True)
def nobody_set_anything(tmp_path, monkeypatch):
    for name in ("STRANDLINE_BLOCKS", "STRANDLINE_PROJECT", "STRANDLINE_JAVA"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SHOP_PASSWORD", "open sesame")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def init(address, capsys):
    """Run `strandline init shop` against the database: exit code and answer."""

    def run(*typed, database=address, password=("--password-env", "SHOP_PASSWORD"), load=False):
        loading = () if load is None else ("--load",) if load else ("--no-load",)
        code = main(["init", "shop", "--database", database, *password, *loading, *typed, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_the_tables_of_an_unknown_database_are_listed_and_nothing_is_made(init, tmp_path):
    code, told = init("--list")

    assert code == 0
    found = {each["table"]: each for each in told["tables"]}
    assert len(found) == 12
    assert found["sales.customers"] == {
        "table": "sales.customers", "kind": "table", "rows": 200, "keyed": True, "readable": True,
    }  # fmt: skip
    assert not found["sales.imported"]["keyed"]
    assert not found["hr.employees"]["readable"]
    assert found["sales.open_orders"]["kind"] == "view"
    assert [*tmp_path.iterdir()] == []


def test_a_project_has_all_that_its_commands_need(init, tmp_path, monkeypatch, capsys):
    code, told = init("--tables", "sales.customers", "products", "sales.order*")

    assert code == 0
    project = tmp_path / "shop"
    names = ["customers", "products", "order_lines", "orders"]
    assert [each["contract"] for each in told["contracts"]] == names
    assert told["next"][0] == "cd shop && strandline plan"
    assert told["loads"] == []
    # No secret is in a file that goes into version control.
    kept = {each.relative_to(project).as_posix() for each in (project / "secrets").iterdir()}
    assert kept == {"secrets/key-encryption-key"}
    assert stat.S_IMODE((project / "secrets" / "key-encryption-key").stat().st_mode) == 0o600
    assert "/secrets/" in (project / ".gitignore").read_text()
    assert "open sesame" not in "".join(
        each.read_text() for each in project.rglob("*") if each.is_file()
    )
    monkeypatch.chdir(project / "tables")
    settings, source = block_lookup.settings(), block_lookup.source("init_tests")
    assert settings.contracts_directory == project / "tables"
    assert source.password.get_secret_value() == "open sesame"
    assert {*load_contracts(project / "tables")} == {*names}
    assert main(["contracts", "check"]) == 0
    assert "4 contracts, no problems" in capsys.readouterr().out


def test_the_deployments_of_a_project_are_flows_of_the_package(init, tmp_path):
    init("--tables", "sales.customers", "sales.products")

    project = Project.read(tmp_path / "shop" / "prefect.yaml")
    document = yaml.safe_load((tmp_path / "shop" / "prefect.yaml").read_text())

    found = {each["name"]: each for each in document["deployments"]}
    assert [*found] == ["customers", "products", "all", "maintain", "retention", "back-up"]
    assert len(project.deployments) == len(found)
    for each in found.values():
        module, _, name = each["entrypoint"].rpartition(".")
        flow = getattr(import_module(module), name)
        assert isinstance(flow, Flow)
        flow.validate_parameters(each["parameters"])


def test_a_password_in_the_address_goes_to_a_file_of_its_owner_alone(init, address, tmp_path):
    with_password = address.replace(f"{READER}@", f"{READER}:open%20sesame@")

    code, _ = init("--tables", "sales.products", database=with_password, password=())

    assert code == 0
    secret = tmp_path / "shop" / "secrets" / "init-tests-password"
    assert (secret.read_text(), stat.S_IMODE(secret.stat().st_mode)) == ("open sesame\n", 0o600)
    assert "sesame" not in (tmp_path / "shop" / "blocks.yaml").read_text()


def test_what_somebody_types_is_asked_for(address, tmp_path, monkeypatch, capsys):
    typed = iter([address, "open sesame", "sales.products", "n"])
    shown = []

    def answer(_screen, _question, *, hidden=False):
        shown.append(not hidden)
        return next(typed)

    monkeypatch.setattr(make_project, "answer", answer)
    monkeypatch.setattr(make_project, "is_asked", lambda screen: True)
    monkeypatch.setattr(make_project, "agreed", lambda screen, question, **_: next(typed) == "y")

    assert main(["init", "shop", "--source", "crm"]) == 0

    assert shown == [True, False, True]
    assert "sales.customers" in capsys.readouterr().err  # among those to choose from
    assert (tmp_path / "shop" / "secrets" / "crm-password").exists()
    assert [*(tmp_path / "shop" / "tables").glob("*.yaml")] == [
        tmp_path / "shop" / "tables" / "products.yaml"
    ]


@pytest.fixture(scope="module")
def silent():
    """A port on which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


WORDS = [
    # what is wrong, exit code, error, its words, the next step's
    ("unknown database", 78, "SourceAccessError", "no such database", "--database"),
    ("wrong password", 78, "SourceAccessError", "refused", "--password-env"),
    ("no such server", 75, "SourceUnavailableError", "Connection refused", "can be reached"),
    ("no rights", 78, "SourceAccessError", "none", "SELECT on the table"),
    ("no key", 78, "ContractError", "none", "contracts new"),
    ("no such table", 66, "NotFoundError", "near it: sales.customers", "--list"),
    ("no table", 64, "UsageError", "none of 12 tables chosen", "--tables"),
    ("no such pattern", 66, "NotFoundError", "among 12 tables", "--list"),
    ("no address", 64, "UsageError", "the scheme http", "docs/sources.md"),
    ("no variable", 64, "UsageError", "none", "export NOT_SET"),
    ("two passwords", 64, "UsageError", "several", "all but one"),
]


@pytest.mark.parametrize(("case", "expected"), [(case, rest) for case, *rest in WORDS])
def test_what_is_wrong_is_told_with_the_next_step_and_nothing_is_left_half_made(
    init, address, silent, tmp_path, monkeypatch, case, expected
):
    code, kind, found, step = expected
    port = address.rpartition(":")[2].partition("/")[0]
    cases = {
        "unknown database": lambda: init(database=address.replace(DATABASE, "shopp")),
        "wrong password": lambda: (monkeypatch.setenv("SHOP_PASSWORD", "no"), init())[1],
        "no such server": lambda: init(database=address.replace(port, str(silent))),
        "no rights": lambda: init("--tables", "sales.customers", "hr.employees"),
        "no key": lambda: init("--tables", "sales.customers", "sales.imported"),
        "no such table": lambda: init("--tables", "sales.customer"),
        "no table": init,
        "no such pattern": lambda: init("--tables", "x*"),
        "no address": lambda: init(database="http://db.example/shop"),
        "no variable": lambda: init(password=("--password-env", "NOT_SET")),
        "two passwords": lambda: init(database=address.replace("@", ":x@")),
    }

    exit_code, told = cases[case]()

    error = told["error"]
    assert (exit_code, error["kind"]) == (code, kind)
    assert found in error["found"]
    assert step in error["next_step"]
    assert "sesame" not in json.dumps(told)
    assert [*tmp_path.iterdir()] == []


def test_a_folder_with_something_in_it_is_left_as_it_is(init, tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine.txt").write_text("mine")

    code, told = init("--tables", "sales.customers")

    assert (code, told["error"]["kind"]) == (64, "UsageError")
    assert told["error"]["found"] == "mine.txt"
    assert [each.name for each in (tmp_path / "shop").iterdir()] == ["mine.txt"]


def test_without_java_and_consent_nothing_is_made_and_either_way_out_is_named(
    init, tmp_path, monkeypatch
):
    def none(**_):
        raise java_installation._unfit([], "and nobody agreed to fetch one")

    monkeypatch.setattr(make_project, "find_java", none)

    code, told = init("--tables", "sales.customers", load=None)

    assert (code, told["error"]["kind"]) == (78, "EnvironmentUnfitError")
    assert "--fetch-java" in told["error"]["next_step"]
    assert "--no-load" in told["error"]["next_step"]
    assert [*tmp_path.iterdir()] == []

    agreed, _ = init("--tables", "sales.customers", "--fetch-java")
    assert agreed == 0
    assert "java: fetch" in (tmp_path / "shop" / "strandline.yaml").read_text()


def test_what_is_interrupted_while_it_is_written_leaves_nothing(init, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("strandline.commands.init.project_files.deployment_file", interrupted)
    with pytest.raises(json.JSONDecodeError):  # no answer: it was interrupted
        init("--tables", "sales.customers")

    assert [*tmp_path.iterdir()] == []


def test_a_contract_with_something_to_decide_is_not_loaded_before_it_is(init, monkeypatch):
    loaded = []
    monkeypatch.setattr(
        make_project, "_loaded", lambda _screen, _folder, names: (loaded.append(names), (0, ()))[1]
    )

    _, told = init(
        "--tables", "sales.orders", "sales.products", "sales.price_log_of_day", load=True
    )

    ready = {each["contract"]: each["ready"] for each in told["contracts"]}
    # Whose person a row is about changes nothing of what is stored; what a row is does.
    assert ready == {"orders": True, "products": True, "price_log_of_day": False}
    assert loaded == [["orders", "products"]]
    assert "strandline run price_log_of_day" in told["next"]
