"""An earlier state of this repository, to be measured beside the working tree."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

__all__ = ["ROOT", "commit_of", "unpack"]

ROOT = Path(__file__).parents[1]


def commit_of(reference: str) -> str:
    """The full name of a commit of this repository.

    Raises:
        SystemExit: There is none of this name.
    """
    command = ["git", "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        message = f"there is no commit {reference} in this repository"
        raise SystemExit(message)
    return result.stdout.strip()


def unpack(commit: str, directory: Path) -> None:
    """Put the files of a commit into a directory; the repository stays as it is."""
    directory.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit],  # noqa: S607 - git from the user's PATH
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(directory, filter="data")
