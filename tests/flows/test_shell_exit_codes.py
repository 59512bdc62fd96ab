"""How flows that are run from the shell end."""

from __future__ import annotations

import pytest
from prefect import flow

from contracts.errors import QualityGateError, SettingsError
from flows.shell_exit_codes import exit_code


@flow
def ending(how: str, times: int = 1) -> None:
    """Ends as it is told, or well."""
    errors = {
        "gate": QualityGateError(where="t", expected="more", found="less", next_step="Look."),
        "settings": SettingsError(where="b", expected="one", found="none", next_step="Add it."),
        "bug": ZeroDivisionError(times),
    }
    if how in errors:
        raise errors[how]


@pytest.mark.parametrize(
    ("typed", "code", "word"),
    [
        (["well"], 0, ""),
        (["gate"], 65, "QualityGateError: t: expected more; found less. Look."),
        (["settings"], 78, "SettingsError: b: expected one; found none. Add it."),
        (["bug"], 70, "UnexpectedError"),
        ([], 64, "UsageError"),
        (["well", "many"], 64, "UsageError"),
        (["well", "1", "more"], 64, "UsageError"),
    ],
)
def test_a_flow_ends_with_the_documented_code_and_one_paragraph(
    typed, code, word, prefect_server, capsys
):
    assert exit_code(ending, *typed) == code

    told = capsys.readouterr().err
    assert word in told
    assert "Traceback" not in told or code == 70
