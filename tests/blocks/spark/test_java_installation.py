from __future__ import annotations

import logging
import os
from pathlib import Path

import cjdk
import pytest

from blocks.spark import java_installation
from blocks.spark.java_installation import ensure_java, find_java
from contracts.errors import EnvironmentUnfitError


def installed(directory: Path, name: str, version: str, *, exit_code: int = 0) -> Path:
    """A Java that does nothing but say its version, as the real one does: to stderr."""
    home = directory / name
    (home / "bin").mkdir(parents=True)
    java = home / "bin" / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\nexit {exit_code}\n")
    java.chmod(0o755)
    return home


def found(tmp_path: Path, **environment: str) -> Path:
    return find_java(environment, directories=(tmp_path / "jvm",), may_fetch=False)


@pytest.mark.parametrize("version", ["17.0.15", "21", "21.0.2"])
def test_the_java_that_java_home_names_is_taken_when_it_fits(tmp_path: Path, version: str):
    named = installed(tmp_path, "named", version)
    installed(tmp_path / "jvm", "other", "17.0.1")

    assert found(tmp_path, JAVA_HOME=str(named)) == named


@pytest.mark.parametrize("version", ["25.0.3", "11.0.2", "1.8.0_412", "18", "170", "24-ea"])
def test_a_java_home_that_does_not_fit_is_passed_over_with_a_note(
    tmp_path: Path, version: str, caplog: pytest.LogCaptureFixture
):
    named = installed(tmp_path, "named", version)
    other = installed(tmp_path / "jvm", "other", "21.0.1")

    with caplog.at_level(logging.WARNING):
        assert found(tmp_path, JAVA_HOME=str(named)) == other
    assert "needs 17 or 21" in caplog.text
    assert str(other) in caplog.text


def test_the_java_on_the_path_is_found_through_links(tmp_path: Path):
    home = installed(tmp_path / "elsewhere", "java-17", "17.0.1")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(home / "bin" / "java")

    assert found(tmp_path, PATH=str(tmp_path / "bin")) == home


def test_an_installed_java_is_found_in_the_layouts_of_linux_and_macos(tmp_path: Path):
    for layout in ("a-21", "b-21/Contents/Home", "c-21/libexec/openjdk.jdk/Contents/Home"):
        jvm = tmp_path / layout[:1]
        home = installed(jvm / "jvm", layout, "21.0.1")
        assert found(jvm) == home


def test_macos_is_asked_for_its_own_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = installed(tmp_path, "chosen", "21.0.1")
    chooser = tmp_path / "java_home"
    chooser.write_text(f"#!/bin/sh\ntest $2 = 21 && echo {home}\n")
    chooser.chmod(0o755)
    monkeypatch.setattr(java_installation.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(java_installation, "_MACOS_CHOOSER", chooser)

    assert found(tmp_path) == home


def test_what_only_looks_like_a_java_is_passed_over(tmp_path: Path):
    jvm = tmp_path / "jvm"
    installed(jvm, "a-broken", "17.0.1", exit_code=1)
    installed(jvm, "b-silent", "17.0.1")
    (jvm / "b-silent" / "bin" / "java").write_text("#!/bin/sh\n")
    installed(jvm, "c-foreign", "17.0.1")
    (jvm / "c-foreign" / "bin" / "java").write_bytes(b"\x7fELF of another machine")
    (jvm / "d-empty").mkdir()
    (jvm / "e-directory" / "bin" / "java").mkdir(parents=True)
    (jvm / "f-dangling").symlink_to(jvm / "gone")
    good = installed(jvm, "z-good", "17.0.1")

    assert found(tmp_path, JAVA_HOME=str(tmp_path / "nowhere")) == good


def test_with_none_that_fits_the_error_says_what_was_there_and_what_to_install(tmp_path: Path):
    named = installed(tmp_path, "named", "25")
    installed(tmp_path / "jvm", "old", "11.0.2")

    with pytest.raises(EnvironmentUnfitError) as caught:
        found(tmp_path, JAVA_HOME=str(named))

    assert "Java 25 (JAVA_HOME)" in caught.value.found
    assert "Java 11" in caught.value.found
    assert "install" in caught.value.next_step


@pytest.mark.parametrize(("system", "command"), [("Darwin", "brew"), ("Linux", "apt")])
def test_the_way_to_install_fits_the_system(system: str, command: str):
    assert command in java_installation._how_to_install(system)


def test_one_is_fetched_only_when_none_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fetched = installed(tmp_path, "fetched", "17.0.9")
    asked: list[dict[str, str]] = []
    monkeypatch.setattr(cjdk, "java_home", lambda **what: asked.append(what) or fetched)

    assert find_java({}, directories=()) == fetched
    assert [what["version"] for what in asked] == ["17"]

    installed(tmp_path / "jvm", "here", "17.0.1")
    find_java({}, directories=(tmp_path / "jvm",))
    assert len(asked) == 1


def test_a_failed_fetch_is_the_same_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(**what: str) -> Path:
        raise cjdk.InstallError("no route to host")

    monkeypatch.setattr(cjdk, "java_home", fail)

    with pytest.raises(EnvironmentUnfitError, match="none could be fetched") as caught:
        find_java({}, directories=())
    assert isinstance(caught.value.__cause__, cjdk.InstallError)


def test_a_fetched_java_that_does_not_run_here_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fetched = installed(tmp_path, "fetched", "17.0.9", exit_code=126)
    monkeypatch.setattr(cjdk, "java_home", lambda **what: fetched)

    with pytest.raises(EnvironmentUnfitError):
        find_java({}, directories=())


def test_the_environment_is_pointed_to_the_java_that_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    named = installed(tmp_path, "named", "21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(named))

    assert ensure_java() == named
    assert os.environ["JAVA_HOME"] == str(named)


def test_this_machine_has_or_gets_a_java_that_says_17_or_21():
    assert java_installation._version(find_java()) in java_installation.FITTING_VERSIONS
