"""Backups as files: written once, read back, refused when damaged, removed in time."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from blocks.backup_target import BackupTarget
from contracts.errors import BackupDamagedError, LakehouseUnavailableError, NotFoundError
from tasks.recovery.backup_manifest import BackupManifest, SavedKeyRing, SavedPointer
from tasks.recovery.backup_store import BackupStore

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    return BackupStore.of(BackupTarget(location=str(tmp_path / "backups")))


def backup(store: BackupStore, at: datetime, content: bytes, warehouse: str = "file:///lake"):
    kept = store.put(content)
    pointer = SavedPointer("a.t", "file:///lake/a/t/1.json", "u1", 2**62 + 1, kept, len(content))
    manifest = BackupManifest(
        id=f"{at:%Y%m%dT%H%M%SZ}-{kept[:8]}",
        made_at=at,
        release="1",
        catalog="lake",
        kind="jdbc",
        warehouse=warehouse,
        namespaces={"a": {"owner": "ada"}},
        tables=(pointer,),
        key_ring=SavedKeyRing(kept, len(content), 3),
    )
    store.add(manifest)
    return manifest


def test_what_was_written_is_read_again(store):
    made = backup(store, AT, b"metadata")

    assert store.manifest(made.id) == made
    assert store.get(made.tables[0].content) == b"metadata"
    assert store.verify(made) == len(b"metadata")
    assert store.newest("lake", "file:///lake") == made
    assert store.newest("lake", "file:///other") is None


def files(store: BackupStore, folder: str) -> list[Path]:
    return sorted(path for path in (Path(store.root) / folder).rglob("*") if path.is_file())


def test_a_copy_that_many_backups_share_is_there_once(store):
    backup(store, AT, b"same")
    backup(store, AT + timedelta(hours=1), b"same")

    assert len(store.ids()) == 2
    assert len(files(store, "contents")) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_bytes(gzip.compress(b"another")),
        lambda path: path.write_bytes(b"no gzip"),
    ],
)
def test_a_damaged_copy_is_refused_by_its_name(store, damage):
    made = backup(store, AT, b"metadata")
    (path,) = files(store, "contents")
    damage(path)

    with pytest.raises(BackupDamagedError, match=path.name):
        store.verify(made)


@pytest.mark.parametrize(("word", "other"), [("jdbc", "glue"), ('"u1"', '"u2"'), ("{", "")])
def test_a_changed_manifest_is_refused_and_an_earlier_one_is_the_newest(store, word, other):
    earlier = backup(store, AT, b"one")
    made = backup(store, AT + timedelta(hours=1), b"two")
    (path,) = (each for each in files(store, "backups") if each.stem == made.id)
    path.write_text(path.read_text().replace(word, other, 1))

    with pytest.raises(BackupDamagedError):
        store.manifest(made.id)
    assert store.newest("lake", "file:///lake") == earlier


def test_a_backup_that_is_not_there_and_a_place_that_is_none(store, tmp_path):
    with pytest.raises(NotFoundError, match="strandline backup list"):
        store.manifest("20260101T000000Z-00000000")
    (tmp_path / "file").write_text("")
    with pytest.raises(LakehouseUnavailableError, match="backups at"):
        backup(BackupStore.of(BackupTarget(location=str(tmp_path / "file" / "x"))), AT, b"x")


def test_backups_go_when_their_time_is_up_with_the_copies_that_nobody_needs(store):
    old = [backup(store, AT - timedelta(days=day), f"v{day}".encode()) for day in (50, 49, 40)]
    other = backup(store, AT - timedelta(days=90), b"theirs", warehouse="file:///other")
    newest = backup(store, AT, b"v40")
    for path in files(store, "contents"):
        os.utime(path, (0, (AT - timedelta(days=30)).timestamp()))

    removed = store.prune(newest, keep_days=35, keep_at_least=2)

    # 40 days old, and one of the two newest; another lakehouse's are not ours to remove.
    assert removed == [each.id for each in old[:2]]
    assert set(store.ids()) == {old[2].id, other.id, newest.id}
    left = {path.name.removesuffix(".gz") for path in files(store, "contents")}
    assert left == newest.contents | other.contents
    assert store.verify(old[2]) == len(b"v40")


def test_young_copies_stay_since_another_backup_may_be_on_its_way(store):
    backup(store, AT - timedelta(days=50), b"gone")
    now = datetime.now(UTC)
    newest = backup(store, now, b"new")

    assert len(store.prune(newest, keep_days=35, keep_at_least=1)) == 1

    assert len(files(store, "contents")) == 2


def test_damaged_manifests_keep_all_copies(store):
    backup(store, AT - timedelta(days=50), b"gone")
    broken = backup(store, AT - timedelta(days=1), b"needed")
    (path,) = (each for each in files(store, "backups") if each.stem == broken.id)
    path.write_text("{")
    newest = backup(store, AT, b"new")
    for each in files(store, "contents"):
        os.utime(each, (0, 0))

    store.prune(newest, keep_days=35, keep_at_least=1)

    assert len(files(store, "contents")) == 3


def test_a_later_format_is_refused_with_what_to_do(store):
    made = backup(store, AT, b"x")
    (path,) = files(store, "backups")
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))

    with pytest.raises(BackupDamagedError, match="release of Strandline"):
        store.manifest(made.id)


def test_only_some_tables_leave_the_key_ring_out(store):
    made = backup(store, AT, b"x")

    assert made.only(frozenset({"a.t"})) == replace(made, key_ring=None)
    assert made.only(frozenset()).contents == frozenset()
