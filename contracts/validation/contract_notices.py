"""What a contract should say and may omit, or says without effect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from contracts.model import Contract
from contracts.model.sensitivity import sensitive_sources
from contracts.schemas.column_lineage import contradicts, expression_of
from contracts.yaml_reading.problem_report import Problem


def notices(contract: Contract, file: str) -> tuple[Problem, ...]:
    """Settings that a rule decides where they are omitted, and weights that nothing weighs.

    Also what may show more than the contract says: columns whose names suggest that they are made
    of others, and tokens that show which values are equal. And patterns that mean another thing
    in another version of Java, and a `transformLogic` that says something else than is done.
    """
    return (
        *_unsaid_kind(contract, file),
        *_unused_weights(contract, file),
        *_unsaid_origin(contract, file),
        *_disclosed_equality(contract, file),
        *_patterns_by_version(contract, file),
        *_contradicted_logic(contract, file),
    )


def _unsaid_kind(contract: Contract, file: str) -> Iterator[Problem]:
    if contract.source.kind is None:
        yield Problem(
            file,
            "customProperties.strandline.source.kind",
            "does not say what the rows of the source are",
            "state: a table with one row a key, as it is now; events: a log of changes",
        )


def _unused_weights(contract: Contract, file: str) -> Iterator[Problem]:
    for check in contract.checks:
        if check.refuses_rows and check.weight != 1.0:
            yield Problem(
                file,
                f"schema[0].quality, {check.id}",
                "has a weight without effect: a row that it refuses counts in full",
                "leave the weight out, or warn",
            )


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_MADE_OF_OTHERS = frozenset(
    {
        *("checksum", "chksum", "crc", "hash", "hashed", "digest", "hmac", "fingerprint", "etag"),
        *("md5", "sha", "sha1", "sha256", "sha512", "search", "searchable", "fulltext", "tsv"),
        *("tsvector", "concat", "concatenated", "combined", "soundex", "metaphone", "ngram"),
        *("ngrams", "signature"),
    }
)


def _unsaid_origin(contract: Contract, file: str) -> Iterator[Problem]:
    sensitive = sensitive_sources(contract)
    if not sensitive:
        return
    for column in contract.source.columns:
        if column.derived_from is not None or column.name in sensitive:
            continue
        if suggests_derived(column.name):
            yield Problem(
                file,
                f"customProperties.strandline.source.columns, {column.name}",
                f"{column.name} may be made of other columns, and is stored in the clear",
                "say derived_from: the columns that it is made of; [] if there are none",
            )


def suggests_derived(name: str) -> bool:
    """Whether a column's name suggests a checksum, a search column or the like."""
    words = [word.lower() for word in _WORDS.findall(name)]
    pairs = {one + other for one, other in pairwise(words)}
    return not _MADE_OF_OTHERS.isdisjoint({*words, *pairs, name.lower()})


def _disclosed_equality(contract: Contract, file: str) -> Iterator[Problem]:
    for position, column in enumerate(contract.columns):
        how = column.protection
        if how is None or not how.deterministic:
            continue
        where = "in this column"
        if how.join_domain is not None:
            where = f"in all columns of the join domain {how.join_domain}"
        yield Problem(
            file,
            f"schema[0].properties[{position}].customProperties.strandline.protection",
            f"tokens of {column.name} show which values are equal {where}, and how often each is",
            "leave deterministic out unless they are joined",
        )


_WORD_BOUNDARY = re.compile(r"(?<!\\)(?:\\\\)*\\[bB](?!\{g\})")
_UNICODE_FLAG = re.compile(r"\(\?[a-zA-Z]*U")


def _patterns_by_version(contract: Contract, file: str) -> Iterator[Problem]:
    for check in contract.checks:
        pattern = str(check.arguments.get("pattern", ""))
        if _WORD_BOUNDARY.search(pattern) and not _UNICODE_FLAG.search(pattern):
            yield Problem(
                file,
                f"schema[0].quality, {check.id}",
                "has a pattern with \\b or \\B, to which letters beyond ASCII are parts of words "
                "in Java 17, and are not from Java 19 on",
                "begin the pattern with (?U), or say what stands beside the word",
            )


def _contradicted_logic(contract: Contract, file: str) -> Iterator[Problem]:
    for position, column in enumerate(contract.columns):
        if contradicts(contract, column):
            yield Problem(
                file,
                f"schema[0].properties[{position}].transformLogic",
                f"{column.name} is {expression_of(contract, column)}, by its transformation",
                "say that, or leave it out: `strandline lineage` shows what is done",
            )
