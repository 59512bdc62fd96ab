"""Makes a Prefect server's automations agree with the alert file.

Promise: applying again changes nothing and keeps every id. Automations whose alert is no longer in
the file are removed; those that no alert file made, even of the same name, are never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    BlockDocumentFilter,
    BlockDocumentFilterIsAnonymous,
)
from prefect.events import emit_event
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.settings import PREFECT_UI_URL

from blocks.alert_channels import (
    BLOCK_PREFIX,
    block_of,
    document_name,
    resolving_block_of,
    resolving_document_name,
)
from contracts.alerts import event_names as names
from contracts.alerts.alert_model import Alert, AlertFile, CircuitOpen, Severity, TableStale
from contracts.alerts.event_names import TAG, automation_name
from contracts.errors import SettingsError
from deployments.alerts.build_automations import automations

__all__ = ["Applied", "Change", "apply_alerts", "differences", "known_to", "ours", "with_kept"]

_COMPARED = {"name", "description", "enabled", "tags", "trigger", "actions"}
_PAGE = 200
_NO_BLOCK = uuid4()


class Change(StrEnum):
    """What was done, or would be done, to an automation."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Applied:
    """One automation and what was done to it; `id` is None where it does not exist (any more)."""

    name: str
    change: Change
    id: UUID | None


def apply_alerts(client: SyncPrefectClient, file: AlertFile) -> tuple[Applied, ...]:
    """Make blocks and automations agree with the file.

    Raises:
        SettingsError: An automation that no alert file made has the name of one of ours.
    """
    existing, block_ids = _all_automations(client), _block_ids(client)
    _refuse_taken(existing, file)
    file = with_kept(file, block_ids)
    blocks, resolvers = _saved_blocks(file, block_ids), _saved_resolvers(file, block_ids)
    wanted = list(
        automations(
            file,
            lambda channel, severity: blocks[channel, severity],
            _pages(),
            resolving=lambda channel, severity: resolvers.get((channel, severity)),
        )
    )
    outcomes = [_upsert(client, each, existing) for each in wanted]
    kept = {each.id for each in outcomes}
    for extra in ours(existing):
        if extra.id not in kept:
            client.delete_automation(extra.id)
            outcomes.append(Applied(extra.name, Change.REMOVED, None))
    used = {document_name(*key) for key in blocks}
    _remove_blocks(client, used | {resolving_document_name(*key) for key in resolvers})
    created = {each.name for each in outcomes if each.change is Change.CREATED}
    for name, alert in file.alerts.items():
        if automation_name(name) in created:
            _watch(alert)
    return tuple(outcomes)


def differences(client: SyncPrefectClient, file: AlertFile) -> tuple[Applied, ...]:
    """What `apply_alerts` would do; changes nothing.

    Raises:
        SettingsError: An automation that no alert file made has the name of one of ours.
    """
    existing, block_ids = _all_automations(client), _block_ids(client)
    _refuse_taken(existing, file)
    file = with_kept(file, block_ids)

    def block(channel: str, severity: Severity) -> UUID:
        return block_ids.get(document_name(channel, severity), _NO_BLOCK)

    def resolver(channel: str, severity: Severity) -> UUID | None:
        known = block_ids.get(resolving_document_name(channel, severity))
        is_new = channel in file.channels and resolving_block_of(file.channels[channel])
        return known or (_NO_BLOCK if is_new else None)

    wanted = list(automations(file, block, _pages(), resolving=resolver))
    by_name = {each.name: each for each in reversed(ours(existing))}
    outcomes = [_compared(each, by_name.get(each.name)) for each in wanted]
    kept = {each.id for each in outcomes}
    removed = (each for each in ours(existing) if each.id not in kept)
    return (*outcomes, *(Applied(each.name, Change.REMOVED, each.id) for each in removed))


def _pages() -> str:
    return PREFECT_UI_URL.value() or ""


def known_to(client: SyncPrefectClient, file: AlertFile) -> AlertFile:
    """The file with the channels whose blocks the server already has; see `with_kept`."""
    return with_kept(file, _block_ids(client))


def with_kept(file: AlertFile, block_ids: Mapping[str, UUID]) -> AlertFile:
    """The file, with channels that are not set up here but whose blocks the server already has.

    So a machine that lacks the secrets does not remove channels that another machine set up.
    """
    kept = frozenset(
        (channel, severity)
        for channel in file.off
        for severity in Severity
        if document_name(channel, severity) in block_ids
    )
    return file.model_copy(update={"kept": kept})


def ours(existing: list[Automation]) -> list[Automation]:
    """The automations that an alert file made."""
    return [each for each in existing if TAG in each.tags]


def _all_automations(client: SyncPrefectClient) -> list[Automation]:
    existing: list[Automation] = []
    while True:
        response = client.request(
            "POST",
            "/automations/filter",
            json={"sort": "NAME_ASC", "limit": _PAGE, "offset": len(existing)},
        )
        page = [Automation.model_validate(each) for each in response.json()]
        existing += page
        if len(page) < _PAGE:
            return existing


def _refuse_taken(existing: list[Automation], file: AlertFile) -> None:
    mine = {automation_name(name) for name in file.alerts}
    taken = sorted(each.name for each in existing if each.name in mine and TAG not in each.tags)
    if taken:
        raise SettingsError(
            where="the automations of the Prefect server",
            expected=f"those of our names to have the tag {TAG}",
            found=f"none on {', '.join(taken)}",
            next_step="Rename that automation, or remove it, and apply again.",
        )


def _upsert(
    client: SyncPrefectClient, wanted: AutomationCore, existing: list[Automation]
) -> Applied:
    current = next((each for each in ours(existing) if each.name == wanted.name), None)
    outcome = _compared(wanted, current)
    if outcome.change is Change.CREATED:
        return Applied(wanted.name, Change.CREATED, client.create_automation(wanted))
    if outcome.change is Change.UPDATED and current is not None:
        client.update_automation(current.id, wanted)
    return outcome


def _compared(wanted: AutomationCore, current: Automation | None) -> Applied:
    if current is None:
        return Applied(wanted.name, Change.CREATED, None)
    same = _plain(wanted) == _plain(current)
    return Applied(wanted.name, Change.UNCHANGED if same else Change.UPDATED, current.id)


def _plain(automation: AutomationCore) -> Any:
    """An automation without the ids that the server gives its triggers, lists of texts sorted."""
    return _ordered(automation.model_dump(mode="json", include=_COMPARED))


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _ordered(each) for key, each in value.items() if key != "id"}
    if isinstance(value, list):
        values = [_ordered(each) for each in value]
        texts = [each for each in values if isinstance(each, str)]
        return sorted(texts) if len(texts) == len(values) else values
    return value


def _saved_blocks(
    file: AlertFile, block_ids: Mapping[str, UUID]
) -> dict[tuple[str, Severity], UUID]:
    """Save the block of each channel that an alert is routed to; saving again keeps the id."""
    used = _used(file, file.alerts.values())
    return {
        key: _saved(block_of(file.channels[key[0]], key[1]), document_name(*key))
        if key[0] in file.channels
        else block_ids[document_name(*key)]
        for key in sorted(used)
    }


def _saved_resolvers(
    file: AlertFile, block_ids: Mapping[str, UUID]
) -> dict[tuple[str, Severity], UUID]:
    """As `_saved_blocks`, the blocks that resolve incidents, of channels that have incidents."""
    saved = {}
    for key in sorted(_used(file, [a for a in file.alerts.values() if isinstance(a, CircuitOpen)])):
        name = resolving_document_name(*key)
        block = resolving_block_of(file.channels[key[0]]) if key[0] in file.channels else None
        if block is not None:
            saved[key] = _saved(block, name)
        elif key in file.kept and name in block_ids:
            saved[key] = block_ids[name]
    return saved


def _used(file: AlertFile, alerts: Iterable[Alert]) -> set[tuple[str, Severity]]:
    return {(channel, alert.severity) for alert in alerts for channel in file.routed(alert)}


def _saved(block: Block, name: str) -> UUID:
    saved: UUID = block.save(name, overwrite=True, _sync=True)  # type: ignore[call-arg, assignment]
    return saved


def _block_ids(client: SyncPrefectClient) -> dict[str, UUID]:
    documents = client.request(
        "POST",
        "/block_documents/filter",
        json={
            "block_documents": BlockDocumentFilter(
                is_anonymous=BlockDocumentFilterIsAnonymous(eq_=False)
            ).model_dump(mode="json", exclude_unset=True),
            "limit": _PAGE,
        },
    ).json()
    return {each["name"]: UUID(each["id"]) for each in documents if each["name"]}


def _remove_blocks(client: SyncPrefectClient, kept: set[str]) -> None:
    for name, block_id in _block_ids(client).items():
        if name.startswith(BLOCK_PREFIX) and name not in kept:
            client.delete_block_document(block_id)


def _watch(alert: Alert) -> None:
    """Start the wait for each table of a stale alert now, even if it was never loaded."""
    if not isinstance(alert, TableStale):
        return
    for target in alert.tables:
        emit_event(
            names.TABLE_WATCHED,
            resource={names.ID: names.table_resource(target), names.NAME: target},
            payload={"contract": target},
        )
