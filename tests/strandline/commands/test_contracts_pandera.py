"""`strandline contracts pandera`, and the module that it writes, as somebody uses it elsewhere."""

from __future__ import annotations

import subprocess
import sys

from strandline.command_line import main

OURS = ("contracts", "history", "blocks", "tasks", "flows", "strandline")
_USE = """
import sys
sys.path[:0] = [{folder!r}]
import pandas as pd
import pandera.errors
from aircraft_rows import make_schema

frame = pd.DataFrame({{name: [None, None] for name in make_schema().columns}}, dtype=object)
try:
    make_schema().validate(frame, lazy=True)
except pandera.errors.SchemaErrors as error:
    print(sorted({{*error.failure_cases["check"]}}))
print(sorted(name for name in sys.modules if name.split(".")[0] in {ours!r}))
"""


def test_the_module_is_used_without_strandline(tmp_path, capsys):
    path = tmp_path / "aircraft_rows.py"

    assert main(["contracts", "pandera", "aircraft", "--output", str(path)]) == 0
    # Not where the project lies, so that nothing of it is found by chance.
    used = subprocess.run(
        [sys.executable, "-c", _USE.format(folder=str(tmp_path), ours=OURS)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert capsys.readouterr().out.strip() == f"Wrote {path}"
    failed, modules = used.stdout.splitlines()
    assert "tail_number_required" in failed
    assert modules == "[]"


def test_without_a_file_it_is_printed(capsys):
    assert main(["contracts", "pandera", "new_source_table"]) == 0

    text = capsys.readouterr().out
    compile(text, "printed", "exec")
    assert "def make_schema(" in text


def test_a_file_that_cannot_be_written_is_an_error_of_use(tmp_path, capsys):
    missing = tmp_path / "missing" / "rows.py"

    assert main(["contracts", "pandera", "aircraft", "--output", str(missing)]) == 64
    assert "No such file or directory" in capsys.readouterr().err


def test_an_unknown_contract_is_named_with_a_guess(capsys):
    assert main(["contracts", "pandera", "aircrafts"]) == 78
    assert "did you mean aircraft?" in capsys.readouterr().err
