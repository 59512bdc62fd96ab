"""Patterns that Java, which Spark runs, does not compile, or that nobody means as it reads them."""

from __future__ import annotations

import pytest

from contracts.validation.java_pattern_syntax import pattern_problem

SAID = {
    # Python takes these, and Java does not.
    r"(?P<a>x)": "write a named group as (?<name>...)",
    r"(?#why)a": "leave the comment out",
    r"(?L)a": "it has no (?L",
    r"(a)(?(1)b|c)": "it has no (?(1",
    r"a{,3}": "write {0,3} for at most three",
    r"a{": "write {0,3} for at most three",
    r"{x}": "write {0,3} for at most three",
    r"[\b]": r"it has no \b in a class",
    r"[\1]": r"it has no \1 in a class",
    r"\08": r"\0 has no octal digits",
    r"(?<a_b>x)": "a group has no name of letters and digits",
    # Neither takes these.
    "(": "a group has no end",
    "a)": "a ) closes no group",
    "[a": "a class has no end",
    "[b-a]": "upside down",
    r"[a-\d]": "upside down",
    "*a": "nothing for * to repeat",
    "a**": "nothing for * to repeat",
    "a{2,1}": "write the lower number first",
    "a{2": "a count has no end",
    "a\\": "ends with a backslash",
    r"\y": r"it has no \y",
    r"\x4": "a code of a character is none",
    r"\x{110000}": "a code of a character is none",
    r"\N{NO SUCH}": "names no character",
    r"(?<a>x)(?<a>y)": "two groups are called a",
    r"(?<year>x)\k<yeer>": "did you mean year",
    r"\p{Latn}": "it knows no property Latn",
    r"\p{IsGreak}": "did you mean IsGreek",
    r"[&&]": "a class has && and nothing else",
    # Java compiles these to what nobody means, or to another thing in another version.
    r"[[:alpha:]]": r"write \p{Alpha}",
    r"\101": r"\1 refers to a group that is not there",
    r"(a)\2": r"\2 refers to a group that is not there",
    r"\p{InGreek}": r"name a script",
    r"(?<=(ab)+)c": "a look-behind has no greatest length",
    r"(a)(?<=\1)": "a look-behind refers to a group",
}  # fmt: skip


@pytest.mark.parametrize("pattern", SAID)
def test_a_pattern_that_java_does_not_read_is_told_with_what_to_write(pattern):
    problem = pattern_problem(pattern, whole=False)

    assert problem is not None
    assert SAID[pattern] in f"{problem.found} ({problem.suggestion})"
    assert problem.found.startswith("is no regular expression of Java")


@pytest.mark.parametrize(
    "pattern",
    [
        "", "a|", "[]a]", "[^]a]", "}", "]", "a-]", r"[a-z&&[^aeiou]]", r"\p{L}+\pN?", "a{0}",
        r"(?<y>\d{4})-\k<y>", r"a(?i)b(?-i:c)", r"(?<=a{1,3})b", r"a*+b{2,}?", r"\Qa.b\E",
        r"(?>a+)b", r"\P{IsLatin}",
        r"[\Q]\E]", r"\x{1F600}", r"\u00e9\cA\e\0101", r"\h\v\R\X\G", r"\b{g}", r"[\h\v\p{L}-]",
        "(?x)a # letter\n b", r"\N{DIGIT ONE}", r"(?<=(?=a+)b)c", r"\p{script=Greek}\p{gc=Lu}",
    ],
)  # fmt: skip
def test_a_pattern_of_java_passes_also_where_python_has_none_of_it(pattern):
    assert pattern_problem(pattern, whole=True) is None


@pytest.mark.parametrize("pattern", ["(?x)a # letter", r"\Qa.b"])
def test_what_has_no_end_passes_only_where_nothing_is_put_behind_it(pattern):
    assert pattern_problem(pattern, whole=False) is None
    assert "has no end" in pattern_problem(pattern, whole=True).found


def test_what_is_nested_without_end_is_refused_and_does_not_overflow():
    assert "nested too deeply" in pattern_problem("(" * 5_000, whole=False).found
    assert "nested too deeply" in pattern_problem("[" * 5_000, whole=False).found
