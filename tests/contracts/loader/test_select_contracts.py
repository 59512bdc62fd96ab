"""Names, patterns, tags and sources select contracts, the same everywhere."""

from __future__ import annotations

import shutil

import pytest

from contracts.errors import ContractError
from contracts.loader import TABLES, load_contract, select_contracts
from strandline.command_line import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The contracts that come along, two of them with tags."""
    folder = tmp_path_factory.mktemp("tagged")
    for path in TABLES.glob("*.yaml"):
        shutil.copy(path, folder)
    for name, tags in {"aircraft": "[hourly, flights]", "existing_table_1": "[nightly]"}.items():
        path = folder / f"{name}.yaml"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("kind: DataContract", f"kind: DataContract\ntags: {tags}"))
    return folder


@pytest.mark.parametrize(
    ("words", "selected"),
    [
        (["aircraft"], ["aircraft"]),
        (["target_schema.aircraft"], ["aircraft"]),
        (["*_table*"], ["existing_table_1", "new_source_table"]),
        (["target_schema.air*"], ["aircraft"]),
        (["tag:hourly"], ["aircraft"]),
        (["tag:*ly", "aircraft"], ["aircraft", "existing_table_1"]),
        (["source:source-db-conn"], ["aircraft", "existing_table_1", "new_source_table"]),
        (["new_source_table", "tag:nightly"], ["new_source_table", "existing_table_1"]),
    ],
)
def test_what_any_word_selects_is_selected_once(folder, words, selected):
    assert select_contracts(words, folder) == tuple(selected)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("tag:hurly", "did you mean hourly?"),
        ("z*", "none among"),
        ("source:other", "none among"),
        ("aircrft", "did you mean aircraft?"),
    ],
)
def test_a_word_that_selects_nothing_is_refused_with_what_is_near(folder, word, hint):
    with pytest.raises(ContractError) as refused:
        select_contracts([word], folder)

    assert hint in refused.value.found


def test_a_broken_file_keeps_no_pattern_of_names_from_selecting(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "some")
    (tmp_path / "some" / "new_source_table.yaml").write_text("no: contract")

    assert select_contracts(["new_*"], tmp_path / "some") == ("new_source_table",)
    with pytest.raises(ContractError, match=r"new_source_table\.yaml"):
        select_contracts(["tag:hourly"], tmp_path / "some")


def test_tags_are_those_of_the_contract_and_of_its_table(folder):
    assert load_contract(folder / "aircraft.yaml").tags == ("hourly", "flights")


def test_commands_select_by_the_same_words(folder, capsys):
    assert main(["contracts", "list", "--folder", str(folder), "--select", "tag:flights"]) == 0
    told = capsys.readouterr().out

    assert "aircraft" in told
    assert "existing_table_1" not in told
