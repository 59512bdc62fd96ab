"""`strandline contracts fmt` and `show --full`: the short and the full form of contract files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from contracts.authoring.full_contract import full_text
from contracts.authoring.shorten_contract import shortened
from contracts.errors import UsageError
from contracts.loader import contract_files, load_contract
from contracts.yaml_reading.problem_report import Report
from contracts.yaml_reading.yaml_parser import parse

__all__ = ["Formatted", "format_files", "full_contract"]


@dataclass(frozen=True, slots=True)
class Formatted:
    """One file, and of how many lines it was and is."""

    path: Path
    before: int
    after: int
    changed: bool

    @property
    def data(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "file": str(self.path),
            "lines_before": self.before,
            "lines": self.after,
            "changed": self.changed,
        }


def format_files(paths: Iterable[Path], *, write: bool) -> list[Formatted]:
    """Shorten contract files, and those of folders.

    Args:
        paths: Files and folders.
        write: Replace the files; else only say what would change.

    Raises:
        ContractError: A file has problems; those before it are written.
        UsageError: A file can't be written.
    """
    files = [
        file for path in paths for file in (contract_files(path) if path.is_dir() else (path,))
    ]
    return [_formatted(path, write=write) for path in files]


def full_contract(path: Path) -> str:
    """The full form of the contract in a file.

    Raises:
        ContractError: The file has problems.
    """
    contract = load_contract(path)
    return full_text(parse(path.read_bytes(), Report(path.name)) or {}, contract)


def _formatted(path: Path, *, write: bool) -> Formatted:
    load_contract(path)
    text = path.read_text(encoding="utf-8")
    short = shortened(text, path.stem)
    if write and short != text:
        try:
            path.write_text(short, encoding="utf-8")
        except OSError as error:
            raise UsageError(
                where=str(path),
                expected="a file that can be written",
                found=error.strerror or type(error).__name__,
                next_step="Make it yours, or say --check.",
            ) from error
    before, after = len(text.splitlines()), len(short.splitlines())
    return Formatted(path, before, after, short != text)
