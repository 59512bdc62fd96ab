from __future__ import annotations

import copy
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from contracts.errors import SettingsError
from deployments.server_setup.prefect_server import connected
from deployments.server_setup.read_prefect_yaml import Project
from tests.deployments.stacks import PROJECT, project

ROOT = Path(__file__).parents[3]


def test_the_shipped_project_can_be_read_and_its_pools_are_defined():
    shipped = Project.read(ROOT / "prefect.yaml")

    assert shipped.directory == ROOT
    assert shipped.pools_in_use <= set(shipped.pools)
    assert len({each.identity for each in shipped.deployments}) == len(shipped.deployments)


@pytest.mark.parametrize(
    ("key_path", "value", "message"),
    [
        (("definitions", "work_pools", "local", "typ"), "process", "typ"),
        (("definitions", "work_pools", "local", "concurrency_limit"), 0, "concurrency_limit"),
        (("definitions", "concurrency_limits"), {"seats": {}}, "seats"),
        (("definitions", "work_pools"), {}, "none for: local"),
        (("deployments",), [{"name": "one"}], "entrypoint"),
    ],
)
def test_a_mistake_is_named_by_its_key(tmp_path, key_path, value, message):
    content = copy.deepcopy(PROJECT)
    part = content
    for name in key_path[:-1]:
        part = part[name]
    part[key_path[-1]] = value

    with pytest.raises(SettingsError, match=message):
        Project.read(project(tmp_path, content))


def test_a_file_that_is_no_yaml_or_not_there_is_an_error(tmp_path):
    file = tmp_path / "prefect.yaml"
    with pytest.raises(SettingsError, match="FileNotFoundError"):
        Project.read(file)
    file.write_text("a: [")
    with pytest.raises(SettingsError, match="line 1"):
        Project.read(file)


def test_without_a_server_the_error_says_how_to_start_one(monkeypatch):
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(SettingsError, match="strandline up"),
        connected(),
    ):
        pass


def test_a_server_that_does_not_answer_is_an_error_that_names_it():
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(SettingsError, match=r"127\.0\.0\.1:9"),
        connected() as client,
    ):
        client.read_work_pools()
