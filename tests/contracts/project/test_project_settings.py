"""Settings are found in one order, and each says where it comes from."""

from __future__ import annotations

import pytest

from contracts.errors import SettingsError
from contracts.project import project_settings
from contracts.project.project_settings import (
    block_file,
    choose_project,
    find_setting,
    has_own_blocks,
    project_folder,
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project, in a folder of which the command stands; the user has no settings."""
    for known in project_settings.SETTINGS.values():
        monkeypatch.delenv(known.variable, raising=False)
    # Set first, so that what a test chooses is undone with it.
    monkeypatch.setenv(project_settings.PROJECT_VARIABLE, "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "shop"
    (folder / "tables" / "deep").mkdir(parents=True)
    (folder / "strandline.yaml").write_text("{}")
    monkeypatch.chdir(folder / "tables" / "deep")
    return folder


def test_the_project_is_the_nearest_folder_upwards_and_else_where_one_stands(project, monkeypatch):
    assert project_folder() == (project, "the nearest strandline.yaml")

    monkeypatch.chdir(project.parent)
    assert project_folder()[0] == project.parent

    choose_project(project)
    assert project_folder() == (project, "option --project")
    monkeypatch.setenv("STRANDLINE_PROJECT", str(project / "tables"))
    assert project_folder() == (project / "tables", "environment STRANDLINE_PROJECT")


def test_the_environment_goes_before_the_projects_file_and_that_before_the_users(
    project, monkeypatch, tmp_path
):
    assert (find_setting("settings").value, find_setting("settings").origin) == (
        "default", "default",
    )  # fmt: skip

    users = tmp_path / "config" / "strandline" / "strandline.yaml"
    users.parent.mkdir(parents=True)
    users.write_text("settings: of_user\nstate: kept\n")
    assert find_setting("settings").value == "of_user"
    assert find_setting("state").value == str(users.parent / "kept")

    own = project / "strandline.yaml"
    own.write_text("settings: of_project\nstate: here\n")
    found = find_setting("settings")
    assert (found.value, found.origin) == ("of_project", str(own))
    assert find_setting("state").path == project / "here"

    monkeypatch.setenv("STRANDLINE_SETTINGS", "of_environment")
    found = find_setting("settings")
    assert (found.value, found.origin) == ("of_environment", "environment STRANDLINE_SETTINGS")


def test_blocks_are_the_projects_and_what_the_demo_left_is_taken_last(project):
    assert block_file().value == ""
    assert not has_own_blocks()

    left = project / ".strandline" / "blocks.yaml"
    left.parent.mkdir()
    left.write_text("{}")
    assert (block_file().path, has_own_blocks()) == (left, False)
    assert block_file().origin == "found, as there is no blocks.yaml"

    (project / "blocks.yaml").write_text("{}")
    assert (block_file().path, has_own_blocks()) == (project / "blocks.yaml", True)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("settngs: x", "unknown: settngs"),
        ("settings: [x]", "none for settings"),
        ("- settings", "something else"),
        ("a: [", "a mistake in line 1"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_place(project, text, found):
    (project / "strandline.yaml").write_text(text)

    with pytest.raises(SettingsError) as refused:
        find_setting("settings")

    assert refused.value.found == found
    assert str(project / "strandline.yaml") in refused.value.where


def test_a_value_that_a_setting_can_not_have_is_refused_and_not_quoted(project, monkeypatch):
    monkeypatch.setenv("STRANDLINE_JAVA", "hunter2")

    with pytest.raises(SettingsError) as refused:
        find_setting("java")

    assert refused.value.expected == "one of installed, fetch"
    assert "hunter2" not in str(refused.value)


def test_a_project_that_is_not_there_is_refused(project):
    with pytest.raises(SettingsError, match="no such folder"):
        choose_project(project / "none")
