"""The system user that PostgreSQL, which refuses root, runs as when this process is root.

Promise: without root, nothing here changes anything. As root, the folders above the user's files
become traversable, never readable.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path
from typing import TypedDict

from contracts.errors import EnvironmentUnfitError

__all__ = ["account", "give_to_account", "open_way_to"]

_SYSTEM_USER = "pgserver"
_TRAVERSABLE = 0o001


class Account(TypedDict, total=False):
    """The user of a program, as arguments of `subprocess.run`; empty: as this process."""

    user: int
    group: int
    extra_groups: list[int]


def account() -> Account:
    """The user that PostgreSQL's programs are to run as.

    Raises:
        EnvironmentUnfitError: As root, there is no such user and it can't be made.
    """
    if os.geteuid() != 0:
        return {}
    entry = _system_user()
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def give_to_account(path: Path) -> None:
    """Make that user the owner of a file or folder, and the folders above traversable."""
    identity = account()
    if identity:
        os.chown(path, identity["user"], identity["group"])
        open_way_to(path)


def open_way_to(path: Path) -> None:
    """As root: make the folders above `path` traversable."""
    if os.geteuid() != 0:
        return
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & _TRAVERSABLE:
            folder.chmod(mode | _TRAVERSABLE)


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        # Another process may make it at the same moment: only its existence counts.
        subprocess.run(  # noqa: S603 - fixed words
            ["useradd", "--system", "--no-create-home", _SYSTEM_USER],  # noqa: S607
            check=False,
            capture_output=True,
        )
    try:
        return pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        raise EnvironmentUnfitError(
            where="embedded PostgreSQL",
            expected=f"a system user {_SYSTEM_USER}, as PostgreSQL does not run as root",
            found="none, and it could not be made",
            next_step=f"Run as another user, or: useradd --system {_SYSTEM_USER}",
        ) from None
