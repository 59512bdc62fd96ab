"""Read a history table with other engines, and write what came of it into the documentation.

`python -m tools.interoperability VENV [VENV ...]` loads the example in format 3 and in format 2,
asks each reader that one of the environments has every question, in a process of its own, and
compares the answers with Spark's. It ends with 1 if a reader gave a wrong answer that the document
did not state before: nobody should learn of that from their own figures.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from tools.interoperability.compare_answers import compare
from tools.interoperability.example_table import (
    AS_OF,
    BRANCH,
    QUESTIONS,
    TAG,
    Example,
    expected_answers,
    load_example,
    spark_below,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "interoperability.md"
BEGIN, END = "<!-- written by make interoperability -->", "<!-- end -->"
FORMATS = (3, 2)
READERS = {
    "pyiceberg": ("PyIceberg", "pyiceberg"),
    "polars": ("Polars", "polars"),
    "duckdb": ("DuckDB", "duckdb"),
    "daft": ("Daft", "daft"),
    "clickhouse": ("ClickHouse (chDB)", "chdb"),
}
"""What the documentation calls each, and the package by which its environment is found."""

_SCRIPT = Path(__file__).with_name("read_table.py")
_LIST_PACKAGES = (
    "from importlib.metadata import distributions; "
    "print(*{each.name.lower() for each in distributions()})"
)
_SECONDS = 180
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one question to one reader.

    Attributes:
        word: That of the comparison, or 'refused', 'no way' or 'ended'.
        detail: What is wrong, or the error, without paths and values.
        versions: The reader's packages.
    """

    word: str
    detail: str = ""
    versions: Mapping[str, str] | None = None


def ask_reader(
    python: Path, reader: str, example: Example, ask: str, expected: pa.Table, directory: Path
) -> Answer:
    """Ask one reader one question, and compare its rows with the expected ones."""
    question = directory / "question.json"
    arrow = directory / "answer.arrow"
    asked = {
        "ask": ask,
        "metadata": str(example.metadata),
        "table": str(example.metadata.parents[1]),
        "snapshot": example.earlier,
        "branch": BRANCH,
        "tag": TAG,
        "as_of": AS_OF.isoformat(),
        "columns": expected.column_names,
    }
    question.write_text(json.dumps(asked), "utf-8")
    outcome = subprocess.run(  # noqa: S603 - our own script
        [python, _SCRIPT, reader, question, arrow],
        capture_output=True, text=True, check=False, timeout=_SECONDS, cwd=directory,
    )  # fmt: skip
    if outcome.returncode:
        return Answer("ended", f"its process ended with {outcome.returncode}")
    told: dict[str, Any] = json.loads(outcome.stdout.splitlines()[-1])
    if told["outcome"] != "rows":
        error = _without_places(told.get("error", "")) if "error" in told else ""
        return Answer(told["outcome"], error, told["versions"])
    with pa.memory_map(str(arrow)) as file:
        found = compare(expected, pa.ipc.open_file(file).read_all())
    return Answer(found.word, found.detail, told["versions"])


def table_of(answers: Mapping[tuple[str, int, str], Answer], spark_versions: str) -> str:
    """The answers as Markdown: a table for each format, and what the words in it stand for.

    `answers` are keyed by reader, format and question.
    """
    lines = [f"Compared with {spark_versions}."]
    notes: list[str] = []
    readers = list(dict.fromkeys(reader for reader, _, _ in answers))
    for number in dict.fromkeys(number for _, number, _ in answers):
        kind = "deletion vectors" if number >= FORMATS[0] else "position delete files"
        titles = [text for name, text in QUESTIONS.items() if (readers[0], number, name) in answers]
        lines += [
            "", f"## Format {number}, {kind}", "",
            f"| reader | {' | '.join(titles)} |", f"|---|{'---|' * len(titles)}",
        ]  # fmt: skip
        for reader in readers:
            cells = [
                _cell(answers[reader, number, ask], notes)
                for ask in QUESTIONS
                if (reader, number, ask) in answers
            ]
            lines.append(f"| {_named(reader, answers)} | {' | '.join(cells)} |")
    numbered = [f"{place}. {note}" for place, note in enumerate(notes, start=1)]
    return "\n".join([*lines, "", *numbered])


def _named(reader: str, answers: Mapping[tuple[str, int, str], Answer]) -> str:
    known = (each.versions for (name, _, _), each in answers.items() if name == reader)
    versions = next((each for each in known if each), {})
    return f"{READERS[reader][0]} ({', '.join(f'{n} {v}' for n, v in versions.items())})"


def _cell(answer: Answer, notes: list[str]) -> str:
    if answer.word == "no way":
        return "can't be asked"
    if not answer.detail:
        return answer.word
    if answer.detail not in notes:
        notes.append(answer.detail)
    word = f"**{answer.word}**" if answer.word in ("wrong", "ended") else answer.word
    return f"{word} ({notes.index(answer.detail) + 1})"


def _without_places(error: str) -> str:
    """The beginning of an error, on one line, without paths, ids and Markdown of its own."""
    text = re.sub(r"(file:)?(/[^\s'\"`/]+)+/", "", " ".join(error.split()))
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{15,}", "…", text)
    text = text[:_LONGEST].rstrip() + ("…" if len(text) > _LONGEST else "")
    return f"`{text.replace('`', chr(39))}`"


def _pythons(environments: Iterable[Path]) -> dict[str, Path]:
    """The interpreter that has each reader.

    Raises:
        SystemExit: No environment has one of them.
    """
    found: dict[str, Path] = {}
    for python in (each / "bin" / "python" for each in environments):
        names = subprocess.run(  # noqa: S603 - an interpreter that was named on the command line
            [python, "-c", _LIST_PACKAGES], capture_output=True, text=True, check=True
        ).stdout.split()
        for reader, (_, package) in READERS.items():
            if package in names:
                found.setdefault(reader, python)
    missing = [READERS[reader][0] for reader in READERS if reader not in found]
    if missing:
        message = f"No environment has {', '.join(missing)}: run `make interoperability`."
        raise SystemExit(message)
    return found


def _ask_all(pythons: Mapping[str, Path], directory: Path) -> dict[tuple[str, int, str], Answer]:
    spark = spark_below(directory)
    spark.sparkContext.setLogLevel("ERROR")
    spark.sql("CREATE NAMESPACE lake.crm")
    answers = {}
    for number in FORMATS:
        example = load_example(spark, f"lake.crm.format_{number}", format_version=number)
        print(f"format {number}: delete files {', '.join(example.deletes)}")
        for ask, expected in expected_answers(spark, example).items():
            for reader in READERS:
                answer = ask_reader(pythons[reader], reader, example, ask, expected, directory)
                answers[reader, number, ask] = answer
                print(f"  {reader:11} {ask:9} {answer.word:8} {answer.detail}")
    spark.stop()
    return {key: answers[key] for key in sorted(answers, key=_in_order)}


def _in_order(key: tuple[str, int, str]) -> tuple[int, int, int]:
    reader, number, ask = key
    return [*READERS].index(reader), FORMATS.index(number), [*QUESTIONS].index(ask)


def main(environments: list[str]) -> int:
    """Ask all, write the document, and say whether a wrong answer is new."""
    pythons = _pythons(Path(each).absolute() for each in environments)
    with tempfile.TemporaryDirectory(prefix="strandline-interoperability-") as directory:
        answers = _ask_all(pythons, Path(directory))
    spark_versions = f"Spark {version('pyspark')} and Iceberg 1.12.0"
    text = DOCUMENT.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    new = [
        f"{reader}, format {number}, {ask}: {answer.detail}"
        for (reader, number, ask), answer in answers.items()
        if answer.word in ("wrong", "ended") and answer.detail not in text
    ]
    written = f"{before}{BEGIN}\n\n{table_of(answers, spark_versions)}\n\n{END}{after}"
    DOCUMENT.write_text(written, "utf-8")
    for line in new:
        print(f"New and wrong: {line}", file=sys.stderr)
    return 1 if new else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
