from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.errors import StrandlineError
from contracts.loader import LEDGERS, TABLES
from strandline import command_line
from strandline.command_line import main, quiet_libraries

ROOT = Path(__file__).parents[2]


def strandline(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real command, with no terminal."""
    return subprocess.run(
        [sys.executable, "-m", "strandline", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_contracts_check_finds_nothing_wrong_with_those_that_come_along():
    ended = strandline("contracts", "check", "--json")

    assert ended.returncode == 0
    assert ended.stderr == ""
    told = json.loads(ended.stdout)
    assert told["problems"] == 0
    shipped = {*TABLES.glob("*.yaml"), *LEDGERS.glob("*.yaml")}
    assert {Path(each["file"]) for each in told["files"]} == shipped


def test_contracts_check_tells_every_problem_with_file_place_and_suggestion(tmp_path):
    text = (TABLES / "aircraft.yaml").read_text()
    text = text.replace("transformation: upper_trim", "transformation: uper_trim", 1)
    (tmp_path / "aircraft.yaml").write_text(text.replace("tracked: [airport,", "tracked: [aiport,"))

    people, machine = (
        strandline("contracts", "check", str(tmp_path), *more) for more in ((), ("--json",))
    )

    assert people.returncode == machine.returncode == 78
    assert "aircraft.yaml" in people.stdout
    assert "did you mean upper_trim?" in people.stdout
    assert "did you mean airport?" in people.stdout
    assert people.stdout.splitlines()[-1].endswith("in 1 of 1 contract")
    (told,) = json.loads(machine.stdout)["files"]
    assert len(told["problems"]) == json.loads(machine.stdout)["problems"] >= 2
    assert all(set(each) == {"path", "message", "suggestion"} for each in told["problems"])


def test_the_path_of_a_broken_contract_is_whole_on_a_narrow_screen(tmp_path):
    path = tmp_path / "a_contract_of_a_name_that_is_longer_than_the_screen_is_wide.yaml"
    path.write_text("no: contract")

    ended = strandline("contracts", "check", str(path), COLUMNS="40")

    assert ended.stdout.splitlines()[0].endswith(path.name)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("run", "--help"),
        ("history", "--help"),
        ("up", "--help"),
        ("contracts", "check"),
        ("contracts", "list"),
    ],
)
def test_what_needs_no_lakehouse_loads_no_spark(arguments: tuple[str, ...]):
    program = (
        "import sys; from strandline.command_line import main; code = main(sys.argv[1:]); "
        "print(*sorted({'pyspark', 'prefect'} & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0
    assert ended.stderr.strip() == ""
    assert ended.stdout


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0

    told = capsys.readouterr().out
    for name in command_line._COMMANDS:
        assert f" {name} " in told


@pytest.mark.parametrize(
    "arguments",
    [
        ("histroy", "aircraft", "N1"),
        ("contracts", "chek"),
        ("contracts", "check", "--jsn"),
        ("contracts", "show"),
    ],
)
def test_what_was_mistyped_is_a_panel_with_exit_code_64(capsys, arguments: tuple[str, ...]):
    assert main(arguments) == 64

    told = capsys.readouterr()
    assert told.out == ""
    assert "UsageError" in told.err
    assert "--help" in told.err


def test_a_mistyped_command_is_guessed(capsys):
    main(["histroy"])

    assert "did you mean history?" in capsys.readouterr().err


def test_an_unknown_contract_is_a_panel_with_its_own_exit_code(capsys):
    assert main(["contracts", "show", "airkraft"]) == 78

    told = capsys.readouterr()
    assert told.out == ""
    assert "did you mean aircraft?" in told.err
    assert "Traceback" not in told.err


def test_with_json_an_error_is_a_document_too(capsys, tmp_path):
    assert main(["contracts", "list", "--folder", str(tmp_path / "gone"), "--json"]) == 78

    told = json.loads(capsys.readouterr().out)
    assert told["error"]["kind"] == "ContractError"
    assert told["error"]["exit_code"] == 78


def test_an_interruption_ends_with_130_and_one_line(monkeypatch, capsys):
    def interrupted(typed):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "app", interrupted)

    assert main(["status"]) == 130
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1


def test_every_known_error_ends_with_its_own_exit_code(monkeypatch, capsys):
    parts = {"where": "w", "expected": "e", "found": "f", "next_step": "n"}

    def kinds(of):
        return [of, *(kind for sub in of.__subclasses__() for kind in kinds(sub))]

    for kind in kinds(StrandlineError):

        def failing(typed, kind=kind):
            raise kind(**parts)

        monkeypatch.setattr(command_line, "app", failing)
        assert main([]) == kind.exit_code
        assert kind.__name__ in capsys.readouterr().err


def test_contracts_show_is_a_data_dictionary_for_people_or_in_markdown(capsys):
    assert main(["contracts", "show", "target_schema.aircraft"]) == 0
    people = capsys.readouterr().out
    assert main(["contracts", "show", "aircraft", "--markdown"]) == 0
    markdown = capsys.readouterr().out

    assert "tail_number" in people
    assert "Identifies the aircraft." in people
    assert "| `tail_number` |" in markdown


def test_contracts_show_says_what_is_stored_by_whose_word_and_who_can_undo_it(capsys):
    assert main(["contracts", "show", "new_source_table", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)

    columns = {each["name"]: each for each in told["columns"]}
    assert told["target"] == "target_schema.target_table_enhanced"
    assert {
        name: (each["stored_as"], each["protection"], each["said_by"], each["undone_by"])
        for name, each in columns.items()
        if each["protection"]
    } == {
        "new_source_column2": ("string", "masked but for 2 characters", "the column", "nobody"),
        "new_source_column3": (
            "binary", "encrypted", "the column", "holders of the table's encryption key",
        ),
    }  # fmt: skip
    assert columns["business_key"]["made_of"] == ["id"]


def test_contracts_show_says_what_each_role_sees(capsys):
    assert main(["contracts", "show", "new_source_table", "--json"]) == 0
    analyst, steward = json.loads(capsys.readouterr().out)["roles"]
    assert main(["contracts", "show", "new_source_table", "--markdown"]) == 0
    markdown = capsys.readouterr().out
    assert main(["contracts", "show", "new_source_table"]) == 0
    page = " ".join(capsys.readouterr().out.split())

    shown = {each["column"]: (each["shown"], each["why"]) for each in analyst["columns"]}
    assert shown["new_source_column3"] == ("hidden", "CONFIDENTIAL, above INTERNAL")
    assert shown["business_key"][0] == "shown"
    assert analyst["rows"] == "data_classification is PUBLIC or INTERNAL"
    assert steward["decrypt"] == ["new_source_column3"]
    assert "| `steward` |" in markdown
    assert "analyst all others - new_source_column3" in page
    assert "steward all - -" in page


def test_contracts_list_names_target_and_key(capsys):
    assert main(["contracts", "list", "--json"]) == 0

    told = {each["contract"]: each for each in json.loads(capsys.readouterr().out)}
    assert told["aircraft"]["target"] == "target_schema.aircraft"
    assert told["aircraft"]["key"] == ["tail_number"]


def test_colour_is_for_terminals_only():
    assert "\x1b" not in strandline("contracts", "chek").stderr
    assert "\x1b" not in strandline("contracts", "list", NO_COLOR="1", COLUMNS="40").stdout


def test_what_the_user_says_of_logging_stays(monkeypatch):
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "DEBUG")
    monkeypatch.delenv("PREFECT_SERVER_ANALYTICS_ENABLED", raising=False)

    quiet_libraries(verbose=False)

    assert os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "DEBUG"
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


def test_an_unexpected_error_says_where_and_never_what_it_quotes(capsys, monkeypatch, tmp_path):
    def broken(_typed):
        canary = "Zephyrine Quillfeather"
        raise LookupError(canary)

    monkeypatch.setattr(command_line, "app", broken)

    monkeypatch.chdir(tmp_path)
    (tmp_path / ".strandline").mkdir()

    assert main(["status"]) == 70

    told = capsys.readouterr()
    assert "LookupError in test_command_line.py" in told.err
    trace = (tmp_path / ".strandline" / "unexpected.log").read_text()
    assert "raise LookupError(canary)" in trace
    assert "Zephyrine" not in told.out + told.err + trace


COMPLETE = """
source "$HOME/.bashrc"
complete_with() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    $(complete -p strandline | sed 's/.*-F \\([^ ]*\\).*/\\1/') strandline "${@: -1}"
    echo "${COMPREPLY[@]}"
}
complete_with strandline contr
complete_with strandline contracts f
complete_with strandline contracts fmt --ch
"""


def test_completion_is_installed_for_a_shell(tmp_path):
    home = {"HOME": str(tmp_path), "SHELL": "/bin/bash", "XDG_DATA_HOME": str(tmp_path / "data")}

    ended = strandline("--install-completion", **home)
    completed = subprocess.run(
        ["/bin/bash", "--norc", "-c", COMPLETE], env={**os.environ, **home},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert ended.returncode == 0
    assert completed.stdout.split("\n")[:3] == ["contracts", "fmt", "--check"]
