"""What the audit log says of one action, and who acts.

Promise: an entry names an action, a subject, an actor and a reason. It has no place for a value
of a row; a person who is the subject of an action is named only by a keyed digest that the caller
made.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from prefect.context import FlowRunContext

from contracts.errors import UsageError

_GREATEST = 2**53 - 1
"""The greatest integer that JSON carries exactly everywhere (RFC 8785, section 3.2.2.3)."""


class AuditAction(StrEnum):
    """What was done."""

    PUBLISH = "publish"
    CLOSE_GATE = "close gate"
    FIX = "fix"
    RELEASE = "release"
    DISCARD = "discard"
    PUBLISH_BATCH = "publish batch"
    REFUSE_BATCH = "refuse batch"
    UNDO_BATCH = "undo batch"
    SETTLE = "settle"
    CHANGE_CONTRACT = "change contract"
    REBUILD = "rebuild"
    UPKEEP = "upkeep"
    EXPIRE_LEDGER = "expire ledger"
    DECRYPT = "decrypt"
    GRANT = "grant"
    ROTATE_KEY = "rotate key"
    REWRAP_KEYS = "rewrap keys"
    DESTROY_KEY = "destroy key"
    ERASE = "erase"
    LIFT_ERASURE = "lift erasure"
    LEGAL_HOLD = "legal hold"
    RELEASE_HOLD = "release hold"
    RETAIN = "apply retention"
    START_RELEASE = "start release"
    SHIFT_READERS = "shift readers"
    PROMOTE_RELEASE = "promote release"
    ROLL_BACK_RELEASE = "roll back release"
    FINISH_RELEASE = "finish release"
    BACK_UP = "back up"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One action, as it is recorded.

    Its attributes are the only list of what a record says: the text that is hashed, the columns of
    the log and what `verify` compares are made of them.

    Attributes:
        action: What was done.
        subject: What it was done to: a table's identifier, or what else the action is about.
        actor: Who did it.
        reason: Why.
        contract: The contract of the table.
        contract_version: Its version.
        batch_id: The batch that it is about.
        run_id: The run that did it.
        snapshot_id: The snapshot of the subject that came of it.
        counts: Numbers by name, each within plus or minus 2**53 - 1.
        key_ids: Ids of keys, never keys.
        details: Further texts by name; no value and no key of a row.
    """

    action: AuditAction
    subject: str
    actor: str
    reason: str
    contract: str | None = None
    contract_version: str | None = None
    batch_id: str | None = None
    run_id: str | None = None
    snapshot_id: int | None = None
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    key_ids: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def values(self) -> dict[str, Any]:
        """What the entry says, by the name of its column."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: _plain(value) for name, value in values.items()}

    def __post_init__(self) -> None:
        """Refuse what can't be recorded.

        Raises:
            UsageError: A text is blank or is no Unicode text, or a number is too great.
        """
        problem = self._problem()
        if problem is not None:
            raise UsageError(
                where=f"the audit record of {self.action}",
                expected=problem[0],
                found=problem[1],
                next_step="Correct it and run the command again. Nothing was changed.",
            )

    def _problem(self) -> tuple[str, str] | None:
        """What is expected, and what is found instead; None: nothing is wrong."""
        required = {"subject": self.subject, "actor": self.actor, "reason": self.reason}
        for name, text in required.items():
            if not text.strip():
                return f"a {name}", "a blank one"
        optional = (self.contract, self.contract_version, self.batch_id, self.run_id)
        names = (*self.key_ids, *self.counts, *self.details, *self.details.values())
        for each in (*required.values(), *optional, *names):
            if each is not None and not _is_unicode(each):
                return "Unicode text", "text with bytes that are none"
        for name, number in self.counts.items():
            if abs(number) > _GREATEST:
                return f"a count {name} below 2**53", "a greater one"
        return None


def _plain(value: object) -> object:
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def current_actor() -> str:
    """Who acts: the creator of the flow run where a server knows one, else the process's user.

    A server without login takes the creator from whoever calls it, and an account of the operating
    system may be shared: it is a claim that others vouch for, not a proof.
    """
    context = FlowRunContext.get()
    creator = None if context is None or context.flow_run is None else context.flow_run.created_by
    if creator is not None and creator.display_value:
        return f"{(creator.type or 'prefect').lower()} {creator.display_value}"
    return f"user {_user()} on {socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # In a container the user may have a number and no name.
        return "unknown"


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
