"""The closed registry of transformations that a contract may name.

Only the signatures are here; `tasks.transforms.mapping.column_mapping` turns an entry into a Spark
column. A contract can thus be checked without Spark, and can't carry SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature of a transformation.

    Attributes:
        sources: How many source columns it reads.
        arguments: The names of its arguments and the kind of each: 'text', 'integer',
            'number', 'scalar' or 'mapping'.
        optional: The arguments that may be omitted.
        generated: Whether Strandline fills the column itself, from the run and not from the row.
        description: One sentence for the data dictionary.
    """

    sources: int
    description: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    generated: bool = False


def _generated(description: str, **arguments: str) -> Signature:
    return Signature(0, description, arguments, generated=True)


TRANSFORMATIONS: Mapping[str, Signature] = MappingProxyType(
    {
        "direct": Signature(1, "The source value in the target's type"),
        "trim": Signature(1, "Without spaces at either end; nothing left becomes null"),
        "upper_trim": Signature(1, "Without spaces at either end, in upper case"),
        "trim_or_default": Signature(
            1, "Trimmed; null becomes the given value", {"default": "text"}
        ),
        "default_if_null": Signature(1, "Null becomes the given value", {"default": "scalar"}),
        "round_within": Signature(
            1,
            "Rounded half up to `scale` digits; null outside `low` to `high`",
            {"low": "number", "high": "number", "scale": "integer"},
        ),
        "decode": Signature(
            1,
            "Replaced by its entry in `codes`; anything else, null too, becomes `otherwise`",
            {"codes": "mapping", "otherwise": "text"},
        ),
        "first_present": Signature(2, "The first of two columns that is not null"),
        "literal": Signature(0, "A fixed value", {"value": "scalar"}),
        "surrogate_key": _generated("Drawn from the table's own high-water mark"),
        "sequence": _generated("What orders the changes of a key"),
        "valid_from": _generated("Inclusive start of the version"),
        "valid_to": _generated("Exclusive end of the version"),
        "is_current": _generated("Whether the version is open"),
        "recorded_at": _generated("When the version was written"),
        "changed_at": _generated("When the row was last changed"),
        "read_at": _generated(
            "The instant, by the source's clock, of the read that first saw the version"
        ),
        "fingerprint": _generated("Keyed HMAC-SHA-256 of the tracked columns, before protection"),
        "batch_id": _generated("The batch that opened the version"),
        "row_score": _generated("Weighted share of its own checks that the row passed, 0 to 1"),
        "retention_date": _generated(
            "The earliest day on which retention may make personal columns unreadable"
        ),
    }
)
"""By name. Generated ones may occur once in a contract; those of the engine have fixed types."""
