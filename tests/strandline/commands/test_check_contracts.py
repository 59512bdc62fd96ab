from __future__ import annotations

from contracts.loader import LEDGERS, TABLES
from strandline.commands.contracts.check_contracts import SHIPPED, check_paths


def test_every_contract_that_comes_along_is_checked_and_has_no_problem():
    checked = check_paths(SHIPPED)

    files = {*TABLES.glob("*.yaml"), *LEDGERS.glob("*.yaml")}
    assert {each.path for each in checked} == files
    assert [each for each in checked if each.problems] == []


def test_a_file_that_is_not_there_is_a_problem_and_does_not_hide_the_others(tmp_path):
    broken = tmp_path / "aircraft.yaml"
    broken.write_text((TABLES / "aircraft.yaml").read_text().replace("key: [tail_number]", ""))

    missing, read = check_paths([tmp_path / "gone.yaml", broken])

    assert [problem.file for problem in missing.problems] == ["gone.yaml"]
    assert any("key" in problem.path for problem in read.problems)


def test_a_folder_without_contracts_is_a_problem(tmp_path):
    (checked,) = check_paths([tmp_path])

    assert "no contract" in checked.problems[0].message


def test_two_contracts_of_one_table_are_a_problem_of_both(tmp_path):
    text = (TABLES / "aircraft.yaml").read_text()
    (tmp_path / "aircraft.yaml").write_text(text)
    (tmp_path / "planes.yaml").write_text(text.replace("name: aircraft\nv", "name: planes\nv"))

    checked = check_paths([tmp_path])

    assert [[problem.path for problem in each.problems] for each in checked] == [
        ["schema[0].physicalName"],
        ["schema[0].physicalName"],
    ]
    assert "planes.yaml" in checked[0].problems[0].message


def test_a_contract_that_does_not_say_what_its_source_is_is_asked_and_passes(tmp_path):
    path = tmp_path / "aircraft.yaml"
    path.write_text((TABLES / "aircraft.yaml").read_text().replace("        kind: events\n", ""))

    (checked,) = check_paths([path])
    said = [each for each in check_paths(SHIPPED) if each.notices]

    assert (checked.problems, checked.target, said) == ((), "target_schema.aircraft", [])
    assert [notice.path for notice in checked.notices] == [
        "customProperties.strandline.source.kind"
    ]
    assert "state:" in checked.notices[0].suggestion
