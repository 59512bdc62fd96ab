from __future__ import annotations

from dataclasses import replace

from contracts.loader import TABLES, load_contract
from contracts.model import Check, Comparison, Severity, Threshold
from contracts.validation.contract_notices import notices

SHIPPED = load_contract(TABLES / "existing_table_1.yaml")
LIMIT = Threshold(Comparison.LESS_OR_EQUAL, (5.0,))


def test_a_weight_that_nothing_weighs_is_noticed():
    checks = (
        Check("refuses", "required", ("code",), weight=0.5),
        Check("whole", "required", ("code",)),
        Check("warns", "required", ("code",), severity=Severity.WARN, weight=0.5),
        Check("limited", "required", ("code",), weight=0.0, threshold=LIMIT),
    )

    told = notices(replace(SHIPPED, checks=checks), "a.yaml")

    assert [each.path for each in told] == ["schema[0].quality, refuses"]
    assert "counts in full" in told[0].message


def test_a_pattern_that_depends_on_the_version_of_java_is_noticed():
    patterns = {
        "word": r"\bword", "no_word": r"a\\\Bb", "unicode": r"(?iU)\bword", "cluster": r"\b{g}a",
        "backslash": r"\\b", "plain": "b",
    }  # fmt: skip
    checks = [
        Check(name, "matches", ("code",), {"pattern": pattern})
        for name, pattern in patterns.items()
    ]

    told = notices(replace(SHIPPED, checks=tuple(checks)), "a.yaml")

    assert [each.path for each in told] == [
        "schema[0].quality, word",
        "schema[0].quality, no_word",
    ]
    assert "(?U)" in told[0].suggestion
