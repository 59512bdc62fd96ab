from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A project directory with just what the set-up reads."""
    (tmp_path / "clone" / "deployments").mkdir(parents=True)
    for name in ("requirements.lock", "deployments/setup.sh"):
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    return tmp_path / "clone"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH with the shell's own commands and not one Python."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "printf", "sed", "head", "tail", "cut", "awk", "rm", "grep",
                 "touch", "tr", "cat", "cp", "mkdir", "chmod"):  # fmt: skip
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    return tools


def put(tools: Path, name: str, script: str) -> None:
    (tools / name).write_text(f"#!/bin/sh\n{script}\n")
    (tools / name).chmod(0o755)


def set_up(clone: Path, tools: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(tools / "sh"), "deployments/setup.sh"],
        cwd=clone,
        env={"PATH": str(tools), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# A Python that is new enough, makes environments with a copy of itself, and whose pip answers
# with the script in $PIP_SCRIPT. The uv that this installs writes down how it was called.
FAKE_PYTHON = """
case "$*" in
  *version_info*) exit 0 ;;
  --version) echo Python 3.12.0 ;;
  "-m venv --clear "*) mkdir -p "$4/bin"; cat "$0" >"$4/bin/python"; chmod +x "$4/bin/python" ;;
  "-m pip --version") exit 0 ;;
  "-m pip config list") printf '%s\\n' "$PIP_CONFIG" ;;
  "-m pip install"*) eval "$PIP_SCRIPT" ;;
esac
"""


INSTALL_UV = """
cp .venv/uv.lock lock-of-uv
echo '#!/bin/sh' >.venv/bin/uv
echo 'echo "$UV_DEFAULT_INDEX $UV_INDEX $*" >>asked' >>.venv/bin/uv
chmod +x .venv/bin/uv
"""


def test_without_any_python_one_message_says_what_to_install(clone: Path, tools: Path):
    outcome = set_up(clone, tools)

    assert outcome.returncode == 1
    assert "Python 3.11 or newer is needed, found none" in outcome.stderr
    assert "apt install" in outcome.stderr
    assert not (clone / ".venv").exists()


def test_an_old_python_is_refused_by_name(clone: Path, tools: Path):
    put(tools, "python3", 'case "$*" in --version) echo Python 3.9.2;; *) exit 1;; esac')

    outcome = set_up(clone, tools)

    assert outcome.returncode == 1
    assert "found Python 3.9.2" in outcome.stderr
    assert not (clone / ".venv").exists()


def test_a_newer_python_under_another_name_is_found(clone: Path, tools: Path):
    put(tools, "python3", "exit 1")
    put(tools, "python3.12", FAKE_PYTHON)

    assert "Making .venv with Python 3.12.0" in set_up(clone, tools).stdout


def test_a_python_without_venv_is_said_so(clone: Path, tools: Path):
    put(tools, "python3", 'case "$*" in *venv*) exit 1;; --version) echo Python 3.11.2;; esac')

    outcome = set_up(clone, tools)

    assert outcome.returncode == 1
    assert "can't make a virtual environment" in outcome.stderr
    assert "python3-venv" in outcome.stderr


def test_without_a_network_the_message_names_the_log_and_leaves_no_stamp(clone: Path, tools: Path):
    put(tools, "python3", FAKE_PYTHON)

    outcome = set_up(clone, tools, PIP_SCRIPT="echo 'Temporary failure in name resolution'; exit 1")

    assert outcome.returncode == 1
    assert "Temporary failure in name resolution" in outcome.stderr
    assert "Is the network there" in outcome.stderr
    assert "name resolution" in (clone / ".venv" / "setup.log").read_text()
    assert not (clone / ".venv" / ".ready").exists()


def test_the_installer_is_asked_for_by_hash_and_hears_of_pips_own_mirror(clone: Path, tools: Path):
    put(tools, "python3", FAKE_PYTHON)
    mirror = (
        "global.index-url='https://mirror.test/simple'\n"
        "global.extra-index-url='\\nhttps://more.test'"
    )

    outcome = set_up(clone, tools, PIP_SCRIPT=INSTALL_UV, PIP_CONFIG=mirror)

    assert outcome.returncode == 0, outcome.stderr
    assert (clone / ".venv" / ".ready").exists()
    locked = (clone / "lock-of-uv").read_text()
    assert locked.startswith("uv==")
    assert locked.count("==") == 1
    assert "--hash=sha256:" in locked
    sync, install = (clone / "asked").read_text().splitlines()[-2:]
    assert sync.startswith("https://mirror.test/simple https://more.test pip sync")
    assert "--require-hashes requirements.lock" in sync
    assert "--no-deps" in install
    assert "mirror.test" not in outcome.stdout + outcome.stderr


def test_what_the_user_set_for_the_installer_wins_over_pips_mirror(clone: Path, tools: Path):
    put(tools, "python3", FAKE_PYTHON)
    set_up(
        clone,
        tools,
        PIP_SCRIPT=INSTALL_UV,
        PIP_CONFIG=":env:.index-url='https://pip.test'",
        UV_DEFAULT_INDEX="https://uv.test",
    )

    assert (clone / "asked").read_text().splitlines()[-1].startswith("https://uv.test")


def test_make_help_lists_every_task(tmp_path: Path):
    make = shutil.which("make")
    assert make
    outcome = subprocess.run(
        [make, "--no-print-directory", "help"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    for task in ("test", "check", "setup", "lock", "clean"):
        assert f"make {task} " in outcome.stdout
