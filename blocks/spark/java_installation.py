"""Find a Java that Spark 4.1 runs on, or fetch one.

Promise: the returned Java reported its version, which is 17 or 21. A Java that does not fit is
skipped, also one that JAVA_HOME names, with a warning; nothing is fetched while a fitting one is
installed, nor where the setting `java` does not agree to it.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import EnvironmentUnfitError
from contracts.project.project_settings import SETTINGS, find_setting

__all__ = ["FETCH", "FITTING_VERSIONS", "Java", "ensure_java", "find_java"]

FETCH = "fetch"
"""The value of the setting `java` that agrees to fetching one."""

FITTING_VERSIONS = (17, 21)
"""What Spark 4.1 is built and tested for; 25 starts and then fails on removed internals."""

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_SECONDS_TO_ANSWER = 20
_SYSTEM_DIRECTORIES = (
    Path("/usr/lib/jvm"),
    Path("/usr/java"),
    Path("/opt/java"),
    Path("/opt/homebrew/opt"),
    Path("/usr/local/opt"),
    Path("/Library/Java/JavaVirtualMachines"),
)
_MACOS_CHOOSER = Path("/usr/libexec/java_home")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Java:
    """One Java installation: its home, its feature version, and where its home was found."""

    home: Path
    version: int
    origin: str

    @property
    def fits(self) -> bool:
        """Whether Spark 4.1 runs on it."""
        return self.version in FITTING_VERSIONS


def find_java(
    environment: Mapping[str, str] | None = None,
    *,
    directories: tuple[Path, ...] = _SYSTEM_DIRECTORIES,
    may_fetch: bool = True,
) -> Path:
    """The home of a Java 17 or 21: the named one, an installed one, else a fetched one.

    Args:
        environment: Where JAVA_HOME and PATH are read; this process's own by default.
        directories: Further directories with installations.
        may_fetch: Whether a JRE may be downloaded when none is installed.

    Raises:
        EnvironmentUnfitError: None fits and none could be fetched.
    """
    skipped: list[Java] = []
    for java in _installed(os.environ if environment is None else environment, directories):
        if java.fits:
            _warn_about_java_home(skipped, java.home)
            return java.home
        skipped.append(java)
    if may_fetch:
        return _fetch(skipped)
    raise _unfit(skipped, "and nobody agreed to fetch one")


def ensure_java() -> Path:
    """Point JAVA_HOME, which Spark's launcher reads, to a Java that fits.

    Raises:
        EnvironmentUnfitError: None fits, and none may be fetched or could be.
    """
    home = find_java(may_fetch=find_setting("java").value == FETCH)
    os.environ["JAVA_HOME"] = str(home)
    return home


def _installed(environment: Mapping[str, str], directories: tuple[Path, ...]) -> Iterator[Java]:
    """Every Java that runs, explicitly chosen ones first; each home once."""
    homes: set[Path] = set()
    for home, origin in _candidates(environment, directories):
        real = home.resolve()
        if real in homes:
            continue
        homes.add(real)
        version = _version(home)
        if version is not None:
            yield Java(home, version, origin)


def _candidates(
    environment: Mapping[str, str], directories: tuple[Path, ...]
) -> Iterator[tuple[Path, str]]:
    if named := environment.get("JAVA_HOME"):
        yield Path(named), "JAVA_HOME"
    if on_path := shutil.which("java", path=environment.get("PATH", "")):
        yield from _home_of(Path(on_path))
    for directory in directories:
        for home in sorted(directory.glob("*")) if directory.is_dir() else ():
            yield home, str(directory)
            yield home / "Contents" / "Home", str(directory)
            yield home / "libexec" / "openjdk.jdk" / "Contents" / "Home", str(directory)
    yield from _chosen_by_macos()


def _home_of(java: Path) -> Iterator[tuple[Path, str]]:
    real = java.resolve()  # /usr/bin/java is a link to a link to the real one
    if real.parent.name == "bin":
        yield real.parent.parent, "PATH"


def _chosen_by_macos() -> Iterator[tuple[Path, str]]:
    if platform.system() != "Darwin" or not _MACOS_CHOOSER.exists():
        return
    for version in FITTING_VERSIONS:
        result = _run(str(_MACOS_CHOOSER), "-v", str(version))
        if result is not None and result.returncode == 0:
            yield Path(result.stdout.strip()), "java_home"


def _version(home: Path) -> int | None:
    """The feature version that this Java itself reports; None when it is no Java or won't run."""
    java = home / "bin" / "java"
    if not os.access(java, os.X_OK) or java.is_dir():
        return None
    result = _run(str(java), "-version")
    if result is None or result.returncode != 0:
        return None
    match = _VERSION.search(result.stderr + result.stdout)
    return int(match.group(1)) if match else None


def _run(*command: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(  # noqa: S603 - the path was found on this machine, no shell
            command, capture_output=True, text=True, check=False, timeout=_SECONDS_TO_ANSWER
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _warn_about_java_home(skipped: list[Java], chosen: Path) -> None:
    for java in skipped:
        if java.origin == "JAVA_HOME":
            logger.warning(
                "JAVA_HOME names Java %d, Spark 4.1 needs 17 or 21: using %s",
                java.version,
                chosen,
            )


def _fetch(skipped: list[Java]) -> Path:
    # Rarely needed, and it imports an HTTP client.
    import cjdk  # noqa: PLC0415

    newest = str(FITTING_VERSIONS[0])
    logger.warning("No Java 17 or 21 is installed: fetching a Java %s runtime, once", newest)
    try:
        home = cjdk.java_home(vendor="temurin-jre", version=newest)
    except (cjdk.CjdkError, OSError) as error:
        raise _unfit(skipped) from error
    if _version(home) not in FITTING_VERSIONS:
        raise _unfit(skipped)
    return home


def _unfit(
    skipped: list[Java], fetching: str = "and none could be fetched"
) -> EnvironmentUnfitError:
    versions = ", ".join(f"Java {java.version} ({java.origin})" for java in skipped)
    return EnvironmentUnfitError(
        where="Java",
        expected="version 17 or 21, which Spark 4.1 runs on",
        found=f"{versions or 'none installed'}, {fetching}",
        next_step=_how_to_install(platform.system()),
    )


def _how_to_install(system: str) -> str:
    agree = f"or agree that one is fetched, once: {SETTINGS['java'].variable}={FETCH}"
    if system == "Darwin":
        return f"Install one: brew install openjdk@17, {agree}"
    return (
        "Install one: sudo apt install openjdk-17-jre-headless "
        f"(Fedora: sudo dnf install java-21-openjdk-headless), or set JAVA_HOME to one, {agree}"
    )
