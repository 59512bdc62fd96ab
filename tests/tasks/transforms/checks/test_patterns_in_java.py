"""What is told of patterns without a JVM, compared with the JVM that runs them."""

from __future__ import annotations

import re
import warnings

from hypothesis import given
from hypothesis import strategies as st
from pyspark.errors import IllegalArgumentException

from contracts.pandas_twin.java_patterns import python_pattern
from contracts.validation.java_character_properties import (
    ASCII_CLASSES,
    BINARY,
    GENERAL,
    JAVA_METHODS,
    SCRIPTS,
)
from contracts.validation.java_pattern_syntax import pattern_problem

PARTS = [
    *"abzZ019 ]-^&|$.#}\né", "\u017f", r"\d", r"\W", r"\s", r"\v", r"\R", r"\b", r"\B", r"\z",
    r"\A", r"\X", r"\1", r"\0", r"\07", r"\x41", r"\x{41}", r"\x{", r"\u0041", r"\cA", r"\e",
    r"\E", r"\Q", r"\p{L}", r"\pL", r"\P{IsLatin}", r"\k<a>", r"\N{DIGIT ONE}", r"\-", r"\[",
    "\\", "(", "(", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?<a>", "(?i)", "(?x)", "(?-x)",
    "(?s-i:", "(?P<a>", ")", ")", ")", "[", "[^", "]", "]", "&&", "*", "+", "?", "{2}", "{1,3}",
    "{2,}", "{", "{,3}", "*+",
]  # fmt: skip
PATTERNS = st.lists(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=8).map("".join), min_size=20, max_size=40
)
TEXTS = [*"aZ0 \n\r\v]és", "", "\u017f", "a1", "aa", "ab", "a\n", "aaa"]
MEANT_OTHERWISE = ("refers to a group that is not there", "has no greatest length", "has no class")
"""What Java compiles, and is refused all the same."""


def java_pattern(spark, pattern):
    """The compiled pattern; None: Java refuses it."""
    try:
        return spark._jvm.java.util.regex.Pattern.compile(pattern)
    except IllegalArgumentException:
        return None


@given(PATTERNS)
def test_what_passes_is_what_java_compiles(spark, patterns):
    for pattern in patterns:
        problem = pattern_problem(pattern, whole=False)
        if problem is None:
            assert java_pattern(spark, pattern) is not None, pattern
            if pattern_problem(pattern, whole=True) is None:
                assert java_pattern(spark, f"\\A(?:{pattern})\\z") is not None, pattern
        # In comments mode Java skips white space within what is one sign elsewhere.
        elif "(?x" not in pattern and not any(each in problem.found for each in MEANT_OTHERWISE):
            assert java_pattern(spark, pattern) is None, (pattern, problem.found)


@given(PATTERNS)
def test_the_python_pattern_of_the_twin_matches_the_same_texts(spark, patterns):
    for pattern in patterns:
        same = python_pattern(pattern)
        if same is None or pattern_problem(pattern, whole=True) is not None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            in_python = [re.fullmatch(same, text, re.ASCII) is not None for text in TEXTS]
        compiled = java_pattern(spark, f"\\A(?:{pattern})\\z")
        assert in_python == [compiled.matcher(text).find() for text in TEXTS], pattern


def test_java_knows_every_property_that_a_pattern_may_name(spark):
    named = [*GENERAL, *ASCII_CLASSES, *JAVA_METHODS, *(f"Is{name}" for name in BINARY | SCRIPTS)]

    assert [name for name in named if java_pattern(spark, f"\\p{{{name}}}") is None] == []
