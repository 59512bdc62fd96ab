"""Both places keep the same promise: no change is lost, whoever makes it at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.coordination.server_documents import ServerDocuments
from blocks.coordination.shared_documents import shared_documents
from blocks.coordination.store_errors import StoreUnavailableError
from tests.blocks.coordination.counting import counted

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["files", "server"])
def documents(request, tmp_path):
    if request.param == "server":
        request.getfixturevalue("prefect_server")
    return shared_documents(tmp_path, on_server=request.param == "server")


@pytest.fixture
def name():
    return f"document-{uuid.uuid4().hex[:8]}"


def test_a_document_is_read_as_it_was_changed_last(documents, name):
    assert documents.read(name)[0] is None
    results = [documents.change(name, counted) for _ in range(9)]
    unchanged = documents.change(name, lambda document, _: (None, document))

    document, now = documents.read(name)
    assert results == [*range(1, 10)]
    assert document == unchanged == {"count": 9}
    assert abs(now - time.time()) < 5
    assert documents.read(f"{name}-other")[0] is None


@pytest.mark.parametrize("place", ["files", "server"])
def test_processes_that_change_it_at_the_same_time_lose_nothing(place, request, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if place == "server":
        request.getfixturevalue("prefect_server")
        environment["PREFECT_API_URL"] = PREFECT_API_URL.value()
    command = [sys.executable, str(Path(__file__).with_name("counting.py"))]
    where = "server" if place == "server" else str(tmp_path)
    documents = shared_documents(tmp_path, on_server=place == "server")
    before = (documents.read("counter")[0] or {"count": 0})["count"]
    running = [
        subprocess.Popen([*command, where, "12"], env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    counts = [int(word) for each in running for word in each.communicate()[0].split()]

    assert [each.returncode for each in running] == [0, 0]
    assert sorted(counts) == [*range(before + 1, before + 25)]


@pytest.mark.usefixtures("prefect_server")
def test_a_server_keeps_the_newest_few_states_only(name):
    documents = ServerDocuments()
    for _ in range(9):
        documents.change(name, counted)

    with get_client(sync_client=True) as client:
        kept = client.request(
            "POST",
            "/variables/filter",
            json={"variables": {"name": {"like_": name}}, "sort": "NAME_DESC"},
        ).json()
    assert [each["value"]["count"] for each in kept] == [9, 8, 7, 6]


def test_who_slept_while_others_changed_it_begins_again(prefect_server, name):
    documents = ServerDocuments()
    documents.change(name, counted)
    seen = []

    def slow(document, now):
        seen.append(document["count"])
        if len(seen) == 1:
            for _ in range(8):
                documents.change(name, counted)
        return counted(document, now)

    assert documents.change(name, slow) == 10
    assert seen == [1, 9]


def test_a_place_that_does_not_answer_says_so_soon(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    files = shared_documents(file, on_server=False)
    server = shared_documents(tmp_path, on_server=True)
    begun = time.monotonic()
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        for documents in (files, server):
            with pytest.raises(StoreUnavailableError):
                documents.change("one", counted)
    assert time.monotonic() - begun < 10


def test_a_document_that_is_none_is_as_if_the_place_were_away(tmp_path):
    documents = shared_documents(tmp_path, on_server=False)
    (tmp_path / "sources").mkdir()
    for text in ("[]", "{"):
        (tmp_path / "sources" / "one.json").write_text(text)
        with pytest.raises(StoreUnavailableError):
            documents.read("one")
