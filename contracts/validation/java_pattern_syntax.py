"""Whether a regular expression is one of Java, which Spark runs, told without a JVM.

Promise: a pattern that passes here compiles in Java 17 and every later one. What Java compiles and
nobody means (a POSIX class, a reference to a group that is not there), and what depends on its
version (a block, a look-behind without an end), is refused too, with what to write instead.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import NoReturn

from contracts.validation.java_character_properties import is_property, similar_names
from contracts.yaml_reading.problem_report import did_you_mean

_QUOTED = re.compile(r"(?P<plain>\\(?!Q).)|\\Q(?P<quote>.*?)(?:\\E|\Z)", re.DOTALL)
_POSIX = re.compile(r"\[:\^?([a-z]+):\]")
_OCTAL = re.compile(r"[0-3][0-7]{0,2}|[4-7][0-7]?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_FLAGS = frozenset("idmsuxU")
_WHITE = frozenset(" \t\n\x0b\f\r")
_LINE_ENDS = frozenset("\n\r\u0085\u2028\u2029")
_SETS = frozenset("dDsSwWhHvV")
_PLACES = frozenset("AbBGzZRX")
_SIGNS = {"a": "\a", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_GREATEST = 2**31 - 1
_LAST_CHARACTER = 0x10FFFF
_DEEPEST = 100
_HEX = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class PatternProblem:
    """What is wrong with a pattern, and what to write instead."""

    found: str
    suggestion: str = ""


def pattern_problem(pattern: str, *, whole: bool) -> PatternProblem | None:
    """What is wrong with a pattern; None: nothing.

    `whole` says that it is to match whole values: then something is put before and behind it.
    """
    try:
        _Reader(_unquoted(pattern)).read()
    except _Refusal as refusal:
        return refusal.problem
    if whole:
        try:
            _Reader(_unquoted(f"\\A(?:{pattern})\\z")).read()
        except _Refusal:
            return PatternProblem(
                "is no regular expression of Java: the comment or quote at its end has no end",
                "end a quote with \\E, and a comment with a line break",
            )
    return None


class _Refusal(Exception):  # noqa: N818 - it is caught here and means a finding, not a failure
    def __init__(self, problem: PatternProblem) -> None:
        super().__init__(problem.found)
        self.problem = problem


def _refuse(found: str, suggestion: str = "") -> NoReturn:
    raise _Refusal(PatternProblem(f"is no regular expression of Java: {found}", suggestion))


def _unquoted(pattern: str) -> str:
    """The pattern with what it quotes as the characters that it stands for."""
    return _QUOTED.sub(lambda match: match["plain"] or _literal(match["quote"] or ""), pattern)


def _literal(text: str) -> str:
    return "".join(
        f"\\x{ord(char):02x}" if char.isascii() and not char.isalpha() else char for char in text
    )


@dataclass(slots=True)
class _Reader:
    """Reads a pattern from left to right, as Java does."""

    text: str
    at: int = 0
    comments: bool = False
    behind: bool = False
    depth: int = 0
    groups: int = 0
    names: set[str] = field(default_factory=set)
    references: set[int] = field(default_factory=set)

    def read(self) -> None:
        self._alternatives()
        if self.at < len(self.text):
            _refuse("a ) closes no group", "write \\) for the character")
        if missing := sorted(number for number in self.references if number > self.groups):
            _refuse(
                f"\\{missing[0]} refers to a group that is not there", "count the groups from 1"
            )

    # Characters: in comments mode white space and comments are nothing, nearly everywhere.

    def _peek(self) -> str:
        if self.comments:
            while self._raw() in _WHITE or self._raw() == "#":
                if self._raw() == "#":
                    while self._raw() and self._raw() not in _LINE_ENDS:
                        self.at += 1
                else:
                    self.at += 1
        return self._raw()

    def _raw(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self) -> str:
        found = self._peek()
        self.at += len(found)
        return found

    def _takes(self, char: str) -> bool:
        if self._peek() != char:
            return False
        self.at += 1
        return True

    # Alternatives, sequences, quantifiers.

    def _alternatives(self) -> None:
        self._sequence()
        while self._takes("|"):
            self._sequence()

    def _sequence(self) -> None:
        while (char := self._peek()) not in ("", "|", ")"):
            if char in "*+?":
                _refuse(f"there is nothing for {char} to repeat", f"write \\{char} for it")
            # A brace is read as a quantifier of what is before it, or of nothing.
            if char == "{" or self._atom():
                self._quantifier()

    def _quantifier(self) -> None:
        char = self._peek()
        if char not in ("*", "+", "?", "{"):
            return
        self.at += 1
        endless = char in "*+"
        if char == "{":
            endless = self._counts()
        if endless and self.behind:
            _refuse("a look-behind has no greatest length", "write {0,100} for * and +")
        if self._peek() in ("?", "+"):
            self._take()

    def _counts(self) -> bool:
        """Read the counts of a quantifier; whether it has no upper one."""
        if not self._raw().isdecimal() or not self._raw().isascii():
            _refuse(
                "a { begins no count", "write {0,3} for at most three, and \\{ for the character"
            )
        low = high = self._number()
        endless = False
        if self._takes(","):
            endless = self._peek() == "}"
            if not endless:
                high = self._number()
        if not self._takes("}"):
            _refuse("a count has no end", "write {2,3}, and \\{ for the character")
        if low > high or max(low, high) > _GREATEST:
            _refuse("a count is out of range", "write the lower number first")
        return endless

    def _number(self) -> int:
        digits = ""
        while self._peek().isdecimal() and self._peek().isascii():
            digits += self._take()
        return int(digits or "-1")

    # What a quantifier stands behind.

    def _atom(self) -> bool:
        """Read one; whether it can be repeated."""
        char = self._take()
        if char == "(":
            return self._group()
        if char == "[":
            self._class()
        elif char == "\\":
            self._escape()
        return True

    def _group(self) -> bool:
        if self.depth == _DEEPEST:
            _refuse("its groups are nested too deeply")
        comments, behind = self.comments, self.behind
        self.depth += 1
        if self._takes("?"):
            if not self._special_group():
                self.depth -= 1
                return False
        else:
            self.groups += 1
        self._alternatives()
        if not self._takes(")"):
            _refuse("a group has no end", "write \\( for the character")
        self.comments, self.behind = comments, behind
        self.depth -= 1
        return True

    def _special_group(self) -> bool:
        """Read what follows `(?`; whether a group's content is next."""
        char = self._peek()
        if char in (":", ">"):
            self.at += 1
        elif char in ("=", "!"):
            self.at += 1
            self.behind = False
        elif char == "<":
            self.at += 1
            if self._peek() in ("=", "!"):
                self._take()
                self.behind = True
            else:
                self._new_name()
        else:
            return self._flags()
        return True

    def _new_name(self) -> None:
        name = self._name()
        if name in self.names:
            _refuse(f"two groups are called {name}", "give each a name of its own")
        self.names.add(name)
        self.groups += 1

    def _name(self) -> str:
        match = _NAME.match(self.text, self.at)
        if match is None or self.text[match.end() : match.end() + 1] != ">":
            _refuse("a group has no name of letters and digits", "(?<name>...)")
        self.at = match.end() + 1
        return match[0]

    def _flags(self) -> bool:
        start, on = self.at, True
        while (char := self._take()) not in ("", ":", ")"):
            if char == "-" and on:
                on = False
            elif char == "x":
                self.comments = on
            elif char not in _FLAGS:
                self._refuse_group(start)
        if not char:
            self._refuse_group(start)
        return char == ":"

    def _refuse_group(self, start: int) -> None:
        word = self.text[start : start + 2]
        suggestion = "(?:...) groups without a number, (?i) is a flag"
        if word.startswith("P"):
            suggestion = "write a named group as (?<name>...), and refer to it by \\k<name>"
        elif word.startswith("#"):
            suggestion = "leave the comment out"
        _refuse(f"it has no (?{word}", suggestion)

    # Classes.

    def _class(self) -> None:
        if self.depth == _DEEPEST:
            _refuse("its classes are nested too deeply")
        self.depth += 1
        self._takes("^")
        filled = False
        while (char := self._take()) != "]" or not filled:
            if not char:
                _refuse("a class has no end", "write \\[ for the character")
            if char == "[":
                self._refuse_posix()
                self._class()
            elif char == "&" and self._peek() == "&":
                self._intersection(filled)
            else:
                self._range(char)
            filled = True
        self.depth -= 1

    def _intersection(self, filled: bool) -> None:
        while self._takes("&"):
            pass
        if not filled and self._peek() == "]":
            _refuse("a class has && and nothing else", "write \\& for the character")

    def _refuse_posix(self) -> None:
        if match := _POSIX.match(self.text, self.at - 1):
            name = "XDigit" if match[1] == "xdigit" else match[1].title()
            _refuse(f"it has no class {match[0]}", f"write \\p{{{name}}}")

    def _range(self, char: str) -> None:
        """Read a character of a class, or a range that begins with it."""
        first = self._escape(in_class=True) if char == "\\" else char
        if first is None or self._peek() != "-":
            return
        before = self.at
        self._take()
        following = self._peek()
        if following in ("[", "]", ""):
            self.at = before
            return
        self._take()
        last = self._escape(in_class=True) if following == "\\" else following
        if last is None or last < first:
            _refuse("a range of characters is upside down", "write \\- for the character")

    # Escapes.

    def _escape(self, *, in_class: bool = False) -> str | None:
        """Read what follows a backslash; the character that it stands for, if it is one."""
        char = self._raw()
        self.at += 1
        if not char:
            _refuse("it ends with a backslash", "write \\\\ for the character")
        if not (char.isascii() and char.isalnum()):
            return char
        if char in _SIGNS:
            return _SIGNS[char]
        if char in _SETS:
            return None
        if char in "0xucN":
            return self._coded(char)
        if char in "pP":
            self._property()
            return None
        if not in_class and (char in _PLACES or char in "123456789k"):
            self._place(char)
            return None
        where = " in a class" if in_class else ""
        _refuse(f"it has no \\{char}{where}", f"write {char} for the character")

    def _place(self, char: str) -> None:
        """Read the rest of what stands for a place, or for what a group has matched."""
        if char in _PLACES:
            if char == "b" and self.text.startswith("{g}", self.at):
                self.at += 3
            return
        if self.behind:
            _refuse("a look-behind refers to a group", "write out what it stands for")
        if char != "k":
            self.references.add(int(char))
            return
        if not self.text.startswith("<", self.at):
            _refuse("\\k names no group", "\\k<name>")
        self.at += 1
        name = self._name()
        if name not in self.names:
            _refuse(f"no group before \\k<{name}> is called so", did_you_mean(name, self.names))

    def _braced(self) -> str | None:
        if self._raw() != "{":
            return None
        end = self.text.find("}", self.at)
        if end < 0:
            _refuse("a { after a backslash has no end", "close it with }")
        name, self.at = self.text[self.at + 1 : end], end + 1
        return name

    def _property(self) -> None:
        name = self._braced()
        if name is None:
            name, self.at = self._raw(), self.at + 1
        if name.startswith("In") or name.partition("=")[0].lower() in ("blk", "block"):
            _refuse(
                f"its block {name} differs from version to version", "name a script: \\p{IsGreek}"
            )
        if not is_property(name):
            _refuse(f"it knows no property {name}", did_you_mean(name, similar_names()))

    def _coded(self, char: str) -> str:
        """Read a character that is told by its code or its name."""
        if char == "0":
            return self._octal()
        if char == "c":
            control, self.at = self._raw(), self.at + 1
            if not control:
                _refuse("\\c has no letter", "\\cA")
            return chr(ord(control) ^ 64)
        if char == "N":
            try:
                return unicodedata.lookup(self._braced() or "")
            except KeyError:
                _refuse("\\N names no character", "\\N{LATIN SMALL LETTER A}")
        digits = self._braced() if char == "x" else None
        if digits is None:
            length = 2 if char == "x" else 4
            digits, self.at = self.text[self.at : self.at + length], self.at + length
            digits = digits if len(digits) == length else ""
        if not digits or not {*digits} <= _HEX or int(digits, 16) > _LAST_CHARACTER:
            _refuse("a code of a character is none", "\\x41, \\u0041 or \\x{1F600}")
        return chr(int(digits, 16))

    def _octal(self) -> str:
        match = _OCTAL.match(self.text, self.at)
        if match is None:
            _refuse("\\0 has no octal digits", "\\x00 is the character of code 0")
        self.at = match.end()
        return chr(int(match[0], 8))
