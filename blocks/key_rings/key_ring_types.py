"""Which kinds of key rings there are: those of Strandline, and those that other packages bring.

A package brings one by an entry point of the group `strandline.key_rings`, whose name is that of
the type in block files; docs/keys.md has an example.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points

from blocks.key_rings.aws_kms_key_ring import AwsKmsKeyRing
from blocks.key_rings.key_ring import KeyRing
from blocks.key_rings.local_key_ring import LocalKeyRing
from contracts.errors import SettingsError

__all__ = ["GROUP", "key_ring_of", "key_ring_types"]

GROUP = "strandline.key_rings"

_OURS: Mapping[str, type[KeyRing]] = {
    "local-key-ring": LocalKeyRing,
    "aws-kms-key-ring": AwsKmsKeyRing,
}


@cache
def key_ring_types() -> Mapping[str, type[KeyRing]]:
    """The kinds of key rings by the names of their types in block files.

    Raises:
        SettingsError: What a package brings is no key ring, or has the name of another one.
    """
    found = dict(_OURS)
    for each in entry_points(group=GROUP):
        brought = each.load()
        fits = isinstance(brought, type) and issubclass(brought, KeyRing)
        if not fits or each.name in found:
            raise SettingsError(
                where=f"entry point {each.name} of {GROUP}",
                expected="a class of key rings, under a name of its own",
                found="a name that is taken" if fits else "something else",
                next_step="Correct the package that brings it, or remove it.",
            )
        found[each.name] = brought
    return found


def key_ring_of(document: Mapping[str, object]) -> KeyRing:
    """The key ring that a document describes; one without `kind` is a local one.

    Raises:
        ValueError: There is no such kind, or its fields do not fit.
    """
    kind = str(document.get("kind", "local-key-ring"))
    types = key_ring_types()
    if kind not in types:
        message = f"no key ring of the kind {kind}; there are {', '.join(types)}"
        raise ValueError(message)
    return types[kind].model_validate(document)
