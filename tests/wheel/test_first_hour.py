"""From nothing to the first published histories and the first alert, with the wheel alone.

The wheel is built by the project's own build backend and installed into an environment that has the
libraries of this one, and nothing of the checkout. What is typed is in docs/first-hour.md and
docs/first-alert.md word for word, and so are the lines of the answers, but for seconds, ports,
folders and the ids of runs.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import psycopg
import pytest

from tests.strandline.shop import READER, SHOP

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "first-hour.md"
NEXT_PAGE = ROOT / "docs" / "first-alert.md"
MOST_COMMANDS = 6
SOMETHING_TO_CHANGE = 78
_UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the working tree, built without a network."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [_UV, "build", "--quiet", "--wheel", "--no-build-isolation", "--offline",
         "--python", sys.executable, "--out-dir", folder, ROOT],
        check=True,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def commands(wheel, tmp_path_factory):
    """The folder of the commands of an environment with the wheel in it."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([_UV, "venv", "--quiet", "--clear", "--python", sys.executable, environment],
                   check=True)  # fmt: skip
    python = environment / "bin" / "python"
    subprocess.run(
        [_UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel],
        check=True,
    )
    (packages,) = environment.glob("lib/python*/site-packages")
    # Files of this kind in that folder, which would bring the checkout along, are not read.
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return environment / "bin"


@pytest.fixture(scope="module")
def shop(postgres):
    """A database of twelve tables, on a port of its own; yields the port."""
    postgres.create_database("shop")
    with psycopg.connect(postgres.dsn_of("shop").get_secret_value(), autocommit=True) as session:
        session.execute(SHOP)
        yield postgres.port
        session.execute(f"DROP OWNED BY {READER}".encode())
        session.execute(f"DROP ROLE {READER}".encode())


@pytest.fixture
def shell(commands, shop, tmp_path):
    """Type a line as in the tutorial, in a shell that stands in an empty folder at first."""
    inherited = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("PREFECT_", "STRANDLINE_", "PYSPARK_", "PYTHON"))
    }
    environment = {
        **inherited,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "SHOP_PASSWORD": "open sesame",
        "COLUMNS": "120",
    }
    place = tmp_path / "empty"
    place.mkdir()

    def typed(line, code=0):
        nonlocal place
        word, _, folder = line.partition(" ")
        if word == "cd":
            place /= folder
            return ""
        ended = subprocess.run(
            shlex.split(line.replace("127.0.0.1:5432", f"127.0.0.1:{shop}")),
            cwd=place, env=environment, capture_output=True, text=True, timeout=850, check=False,
        )  # fmt: skip
        assert ended.returncode == code, ended.stderr[-3000:]
        return ended.stdout

    return typed


@pytest.fixture
def receiver(tmp_path, monkeypatch):
    """The receiver of the page as it stands there, on a port of its own; yields what it printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (code,) = blocks("python")
    printed = tmp_path / "printed"
    with printed.open("w") as output:
        listening = subprocess.Popen(
            [sys.executable, "-c", code.replace("8099", port)], stdout=output, text=True
        )
    (variable,) = [line for line in "".join(blocks("sh")).splitlines() if "export" in line]
    name, _, address = variable.removeprefix("export ").partition("=")
    monkeypatch.setenv(name, address.replace("8099", port))
    yield printed
    listening.kill()
    listening.wait()


def test_the_wheel_has_what_commands_read_and_nothing_of_the_demo(wheel):
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()

    assert "contracts/ledgers/run_metrics.yaml" in names
    assert "contracts/alerts/alerts.yaml" in names
    assert "blocks/spark/log4j2.properties" in names
    assert [
        name for name in names if name.startswith(("demo/", "contracts/tables", "tests/"))
    ] == []


def test_the_tutorial_works_as_it_is_written(receiver, shell, shop, tmp_path):
    steps = [*transcript(PAGE.read_text(encoding="utf-8"))]

    assert 0 < len(steps) <= MOST_COMMANDS
    for command, lines in steps:
        assert comparable(shell(command)) == comparable(lines), command

    # On to the first alert, in the same project.
    (alerts,), (said,) = blocks("yaml"), blocks("text")
    (tmp_path / "empty" / "shop" / ".strandline" / "alerts.yaml").write_text(alerts)
    ((failing, _),) = transcript(NEXT_PAGE.read_text(encoding="utf-8"))
    shell(failing, code=SOMETHING_TO_CHANGE)

    (arrived,) = map(json.loads, receiver.read_text().splitlines())
    assert arrived["severity"] == "error"
    assert comparable(arrived["message"].replace(str(shop), "5432")) == comparable(said)


def blocks(language):
    """The code in that language on the page of the first alert."""
    page = NEXT_PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)


def transcript(page):
    """The commands of the page's consoles, each with the lines of its answer."""
    for console in re.findall(r"^```console\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL):
        for step in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
            # A command that goes on in the next line ends in a backslash, as shells have it.
            command, _, lines = step.replace("\\\n", "").partition("\n")
            yield " ".join(command.split()), lines


def comparable(text):
    """The lines of an answer without what differs each time: seconds, widths, folders."""
    for pattern, word in (
        (r"\d+ min \d+ s|\d+(\.\d+)? s\b", "SECONDS"),
        (r"/\S*/(?=shop\b|\.strandline)", "FOLDER/"),
        (r"/\S*(java|jdk|jre|jvm)\S*", "JAVA"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "RUN"),
        ("─+", "─"),
        (" +", " "),
    ):
        text = re.sub(pattern, word, text)
    return [line.strip() for line in text.splitlines() if line.strip(" ─")]
