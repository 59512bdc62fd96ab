"""Source columns to target columns, one function per transformation a contract may name.

Promise: a value that does not fit its target's type becomes null and never fails the job
(`try_cast`, as ANSI mode would raise).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType

from pyspark.sql import Column
from pyspark.sql import functions as F

from contracts.errors import ContractError
from contracts.model import Argument, Contract, Scalar
from contracts.model import Column as TargetColumn
from contracts.model.transformation_registry import TRANSFORMATIONS
from history.spark.column_quoting_and_comparison import named
from tasks.transforms.mapping.typed_literals import EXACT, exact, is_number


@dataclass(frozen=True, slots=True)
class Term:
    """What a transformation works on.

    Attributes:
        inputs: The source columns it reads.
        numeric: Whether all of them are declared as numbers.
        kind: The Spark SQL type it has to return.
        arguments: Its arguments in the contract.
    """

    inputs: tuple[Column, ...]
    numeric: bool
    kind: str
    arguments: Mapping[str, Argument]

    def constant(self, name: str) -> Scalar:
        """The argument of that name, a single value.

        Raises:
            ContractError: It is missing, a list or a mapping.
        """
        value = self.arguments.get(name)
        if isinstance(value, (tuple, Mapping)):
            raise self.unfit(name, "a single value")
        return value

    def codes(self, name: str) -> Mapping[str, Scalar]:
        """The argument of that name, a mapping.

        Raises:
            ContractError: It is missing or something else.
        """
        value = self.arguments.get(name)
        if not isinstance(value, Mapping):
            raise self.unfit(name, "a mapping of codes")
        return value

    def unfit(self, name: str, expected: str) -> ContractError:
        """The error about an argument that is not what the registry requires."""
        return ContractError(
            where=f"argument `{name}` of a transformation",
            expected=expected,
            found="something else",
            next_step="See docs/contracts.md for what each transformation takes.",
        )


def mapped_column(contract: Contract, column: TargetColumn) -> Column:
    """The clear value of one target column over source columns, in its declared type."""
    kinds = {each.name: each.type for each in contract.source.columns}
    term = Term(
        inputs=tuple(named(name) for name in column.sources),
        numeric=all(is_number(kinds[name]) for name in column.sources if name in kinds),
        kind=column.type,
        arguments=column.transformation.arguments,
    )
    return TRANSFORMS[column.transformation.name](term)


def mapped(contract: Contract) -> dict[str, Column]:
    """The clear value of every target column that is not generated, by target name.

    Each is an expression over source columns and has the column's declared Spark type; a value
    that can't be cast is null (spec 5).
    """
    return {
        column.name: mapped_column(contract, column)
        for column in contract.columns
        if not TRANSFORMATIONS[column.transformation.name].generated
    }


def sequence(contract: Contract) -> Column:
    """The order of the changes of a key: the first of `source.sequence` that is not null.

    Null for a state that has none: then the read dates each change.
    """
    if not contract.source.sequence:
        return F.lit(None).cast("timestamp")
    return F.coalesce(*[named(name) for name in contract.source.sequence])


def watermark(contract: Contract) -> Column:
    """The watermark of a row: the first of `source.watermark` that is not null."""
    return F.coalesce(*[named(name) for name in contract.source.watermark])


def _trimmed(value: Column) -> Column:
    """SQL's TRIM, as spec 5 has it: removes spaces (U+0020), keeps any other white space."""
    return F.trim(value.cast("string"))


def _direct(term: Term) -> Column:
    return term.inputs[0].try_cast(term.kind)


def _trim(term: Term) -> Column:
    return F.nullif(_trimmed(term.inputs[0]), F.lit("")).try_cast(term.kind)


def _upper_trim(term: Term) -> Column:
    return F.upper(_trimmed(term.inputs[0])).try_cast(term.kind)


def _trim_or_default(term: Term) -> Column:
    text = _trimmed(term.inputs[0])
    return F.coalesce(text, F.lit(str(term.constant("default")))).try_cast(term.kind)


def _default_if_null(term: Term) -> Column:
    # Not a coalesce: a value that is present but can't be cast must not become the default.
    value = term.inputs[0]
    default = F.lit(term.constant("default")).cast(term.kind)
    return F.when(value.isNull(), default).otherwise(value.try_cast(term.kind))


def _round_within(term: Term) -> Column:
    # Half up, as spec 5's ROUND; text is read as a decimal first, so that nothing raises.
    value = term.inputs[0] if term.numeric else term.inputs[0].try_cast(EXACT)
    in_range = value.between(exact(term.constant("low")), exact(term.constant("high")))
    rounded = F.round(value, int(str(term.constant("scale"))))
    return F.when(in_range, rounded.try_cast(term.kind))


def _decode(term: Term) -> Column:
    text = term.inputs[0].cast("string")
    otherwise = F.lit(term.constant("otherwise")).cast(term.kind)
    pairs = reversed(tuple(term.codes("codes").items()))
    return reduce(
        lambda rest, pair: F.when(text == pair[0], F.lit(pair[1]).cast(term.kind)).otherwise(rest),
        pairs,
        otherwise,
    )


def _first_present(term: Term) -> Column:
    first, second = term.inputs
    return F.when(first.isNotNull(), first.try_cast(term.kind)).otherwise(
        second.try_cast(term.kind)
    )


def _literal(term: Term) -> Column:
    return F.lit(term.constant("value")).cast(term.kind)


TRANSFORMS: Mapping[str, Callable[[Term], Column]] = MappingProxyType(
    {
        "direct": _direct,
        "trim": _trim,
        "upper_trim": _upper_trim,
        "trim_or_default": _trim_or_default,
        "default_if_null": _default_if_null,
        "round_within": _round_within,
        "decode": _decode,
        "first_present": _first_present,
        "literal": _literal,
    }
)
"""The Spark side of each transformation of the registry that is not generated."""
