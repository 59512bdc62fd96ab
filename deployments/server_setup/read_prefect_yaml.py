"""What `prefect.yaml` defines for a server, beyond what Prefect reads in it by itself.

Prefect drops keys that it does not know and skips entries that it can't read. Work pools and
concurrency limits are under `definitions`, which Prefect ignores; the entries of `deployments` are
read to check afterwards that each of them exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import SettingsError

__all__ = ["Limit", "Pool", "Project", "WantedDeployment"]

_STRICT = ConfigDict(extra="forbid", frozen=True)


class Pool(BaseModel):
    """A work pool: what kind of infrastructure its runs get, and how many run at once."""

    model_config = _STRICT

    type: str
    description: str | None = None
    concurrency_limit: int | None = Field(default=None, ge=1)


class Limit(BaseModel):
    """A global concurrency limit: how many slots there are."""

    model_config = _STRICT

    limit: int = Field(ge=1)
    slot_decay_per_second: float = Field(default=0.0, ge=0)


class _Definitions(BaseModel):
    """Other names under `definitions` are anchors for the rest of the file."""

    work_pools: Mapping[str, Pool] = Field(default_factory=dict)
    concurrency_limits: Mapping[str, Limit] = Field(default_factory=dict)


class _WorkPool(BaseModel):
    name: str


class WantedDeployment(BaseModel):
    """The part of a deployment's entry that identifies it, and where it runs."""

    name: str
    entrypoint: str
    work_pool: _WorkPool
    parameters: Mapping[str, Any] = Field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, str]:
        """Entry point and name, which identify a deployment on a server."""
        return self.entrypoint, self.name


class _Document(BaseModel):
    definitions: _Definitions = Field(default_factory=_Definitions)
    deployments: tuple[WantedDeployment, ...]


class Project(BaseModel):
    """A `prefect.yaml` and its directory.

    Attributes:
        file: The file, absolute.
        pools: The work pools to make, by name.
        limits: The global concurrency limits to make, by name.
        deployments: The deployments to make.
    """

    model_config = _STRICT

    file: Path
    pools: Mapping[str, Pool]
    limits: Mapping[str, Limit]
    deployments: tuple[WantedDeployment, ...]

    @classmethod
    def read(cls, file: Path) -> Project:
        """Read the file.

        Raises:
            SettingsError: It is missing, is no YAML, lacks a part or names a pool that it does not
                define.
        """
        where = file.absolute()
        try:
            content = yaml.safe_load(where.read_text(encoding="utf-8"))
            document = _Document.model_validate(content)
        except OSError as error:
            next_step = "Change to the project's directory, where prefect.yaml lies."
            raise _wrong(
                where, "a file that can be read", type(error).__name__, next_step
            ) from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            found = f"a mistake in line {mark.line + 1}" if mark else "a mistake"
            raise _wrong(where, "YAML", found) from None
        except ValidationError as error:
            raise _wrong(where, "entries that fit", _mistakes(error)) from None
        project = cls(
            file=where,
            pools=document.definitions.work_pools,
            limits=document.definitions.concurrency_limits,
            deployments=document.deployments,
        )
        unknown = sorted(project.pools_in_use - set(project.pools))
        if unknown:
            expected = "each work pool of a deployment under definitions, work_pools"
            raise _wrong(where, expected, f"none for: {', '.join(unknown)}")
        return project

    @property
    def directory(self) -> Path:
        """The project's directory, absolute."""
        return self.file.parent

    @property
    def pools_in_use(self) -> frozenset[str]:
        """The work pools that deployments name."""
        return frozenset(each.work_pool.name for each in self.deployments)


def _mistakes(error: ValidationError) -> str:
    details = error.errors(include_input=False, include_context=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in details)


def _wrong(
    where: Path, expected: str, found: str, next_step: str = "Correct prefect.yaml."
) -> SettingsError:
    return SettingsError(where=str(where), expected=expected, found=found, next_step=next_step)
