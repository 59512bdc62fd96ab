"""A file against the Open Data Contract Standard itself, with the standard's own model.

Promise: what the standard would silently drop (a mistyped `classification`) is a problem here.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator, Mapping
from functools import cache

from open_data_contract_standard.model import OpenDataContractStandard
from pydantic import BaseModel, ValidationError

from contracts.yaml_reading.problem_report import Report
from contracts.yaml_reading.yaml_section import Section

VERSIONS = ("v3.1.0", "v3.2.0")
"""The versions of the standard that we read."""

CREDENTIALS = ("password", "passwd", "secret", "token", "credential", "private_key", "access_key")


def check_standard(document: Mapping[str, object], report: Report) -> None:
    """Report everything in which the document departs from the standard."""
    root = Section(document, "", report)
    if root.text("apiVersion") not in (*VERSIONS, ""):
        root.problem("apiVersion", "unknown version of the standard", f"known: {VERSIONS[0]}")
    if root.text("kind") not in ("DataContract", ""):
        root.problem("kind", "must be DataContract")
    _check_keys(root, OpenDataContractStandard)
    _check_credentials(root)
    try:
        OpenDataContractStandard.model_validate(document)
    except ValidationError as error:
        for detail in error.errors(include_input=False, include_url=False):
            path = _path(document, detail["loc"])
            if not report.knows(path):
                report.add(path, f"against the standard: {detail['msg']}")


def _check_keys(section: Section, model: type[BaseModel]) -> None:
    fields = _fields(model)
    section.only(fields)
    for key, below in fields.items():
        value = section.value.get(key)
        for listed, nested in below:
            if listed and isinstance(value, list):
                for position, item in enumerate(value):
                    if isinstance(item, dict):
                        path = f"{section.at(key)}[{position}]"
                        _check_keys(Section(item, path, section.report), nested)
            elif not listed and isinstance(value, dict):
                _check_keys(Section(value, section.at(key), section.report), nested)


@cache
def _fields(model: type[BaseModel]) -> Mapping[str, tuple[tuple[bool, type[BaseModel]], ...]]:
    """By key of a section of the standard, the models that its value may be made of."""
    return {
        info.alias or name: tuple(_models(info.annotation))
        for name, info in model.model_fields.items()
    }


def _models(annotation: object, listed: bool = False) -> Iterator[tuple[bool, type[BaseModel]]]:
    """The models in an annotation, each with whether it is in a list."""
    inside_list = listed or typing.get_origin(annotation) is list
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield listed, annotation
    for part in typing.get_args(annotation):
        yield from _models(part, inside_list)


def _check_credentials(root: Section) -> None:
    """Report credentials: a contract names a connection, a block has its credentials."""
    servers = root.value.get("servers")
    for path, key in _keys(servers, root.at("servers")):
        if any(word in key.lower() for word in CREDENTIALS):
            root.report.add(path, "a contract holds no credentials", "put them in a block")


def _keys(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield f"{path}.{key}", str(key)
            yield from _keys(below, f"{path}.{key}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _keys(item, f"{path}[{position}]")


def _path(document: object, steps: tuple[int | str, ...]) -> str:
    """A pydantic location as a key path; without the names of union members."""
    path, here = "", document
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
            here = here[step] if isinstance(here, list) and step < len(here) else None
        elif isinstance(here, dict) and step in here:
            path += f".{step}" if path else step
            here = here[step]
    return path
