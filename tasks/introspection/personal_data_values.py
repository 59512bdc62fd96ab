"""Which kind of personal data sampled values look like.

Promise: counts come out, never a value. What looks like one need not be one: a number that has a
right check digit by chance is rare, so a kind is suggested where most values of a column have it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

from stdnum import iban, luhn
from stdnum.at import vnr
from stdnum.be import nn
from stdnum.br import cpf
from stdnum.ch import ssn as ahv
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.se import personnummer

__all__ = ["Likeness", "is_recognisable", "likeness", "mentions"]

_MOST_VALUES = 200
"""Of one column: each check of a number costs microseconds, of many kinds."""
_LONGEST_NUMBER = 40
_EMAIL = re.compile(r"^[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s.,;<>\d]{2,}$")
_EMAIL_WITHIN = re.compile(r"[\w.+-]+@[\w-]+\.[A-Za-z]{2,}")
_PHONE = re.compile(r"^(?:\+|00)[1-9][\d\s()./-]{6,20}$|^\(?\d{2,5}\)?(?:[\s./-]+\d{2,}){2,}$")
_DAY = re.compile(r"^\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[ T].*)?$")
_DIGITS = range(7, 16)
_CARD = re.compile(r"^[2-6]\d{3}(?:[ -]?\d){9,15}$")
_CARD_DIGITS = range(13, 20)
_SSN = re.compile(r"^(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}$")
_NINO = re.compile(r"^(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]$")
_WORDS_OF_PROSE = 5
_SHARE_OF_MENTIONS = 0.1


@dataclass(frozen=True, slots=True)
class Likeness:
    """How many of some sampled values look like what.

    Attributes:
        kind: The name of a kind of `personal_data_names.KINDS`.
        looks: In words, what they look like.
        matches: How many do.
        values: Of how many that are not null.
        distinct: How many different ones do.
    """

    kind: str
    looks: str
    matches: int
    values: int
    distinct: int


def likeness(values: Sequence[str], kind: str | None = None) -> tuple[Likeness, ...]:
    """What the values look like, the most frequent first; at most a few hundred are looked at.

    Args:
        values: Sampled values of a column as the database prints them, without nulls.
        kind: Only this kind.
    """
    looked_at = [value.strip() for value in values[:_MOST_VALUES]]
    found = []
    for name, looks, test in _TESTS:
        if kind in (None, name):
            matching = [value for value in looked_at if test(value)]
            found.append(Likeness(name, looks, len(matching), len(looked_at), len(set(matching))))
    return tuple(sorted(found, key=lambda each: -each.matches))


def mentions(values: Sequence[str]) -> Likeness | None:
    """That a part of the values have e-mail addresses within a longer text, if it is a tenth."""
    looked_at = values[:_MOST_VALUES]
    matching = [value for value in looked_at if _EMAIL_WITHIN.search(value)]
    if len(matching) < max(2, _SHARE_OF_MENTIONS * len(looked_at)):
        return None
    return Likeness(
        "free_text", "hold e-mail addresses", len(matching), len(looked_at), len(set(matching))
    )


def is_recognisable(kind: str) -> bool:
    """Whether values of the kind can be told from others."""
    return any(name == kind for name, _, _ in _TESTS)


def _is_email(value: str) -> bool:
    return bool(_EMAIL.match(value))


def _is_phone(value: str) -> bool:
    digits = sum(letter.isdigit() for letter in value)
    return digits in _DIGITS and bool(_PHONE.match(value)) and not _DAY.match(value)


def _is_ip(value: str) -> bool:
    if "." not in value and ":" not in value:
        return False
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        return False
    return True


def _is_iban(value: str) -> bool:
    return _SHORTEST_IBAN <= len(value) <= _LONGEST_NUMBER and bool(
        iban.is_valid(value, check_country=False)
    )


_SHORTEST_IBAN = 15


def _is_card(value: str) -> bool:
    digits = re.sub("[ -]", "", value)
    return bool(_CARD.match(value)) and len(digits) in _CARD_DIGITS and luhn.is_valid(digits)


def _is_prose(value: str) -> bool:
    return len(re.findall(r"[^\W\d_]{2,}", value)) >= _WORDS_OF_PROSE


def _numbers(module: ModuleType) -> Callable[[str], bool]:
    def is_one(value: str) -> bool:
        return _has_digits(value) and bool(module.is_valid(value))

    return is_one


_FEWEST_DIGITS = 6


def _has_digits(value: str) -> bool:
    return (
        len(value) <= _LONGEST_NUMBER
        and sum(letter.isdigit() for letter in value) >= _FEWEST_DIGITS
    )


def _written_as(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: bool(pattern.match(value.replace(" ", "").upper()))


_TESTS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("email", "look like e-mail addresses", _is_email),
    ("iban", "are IBANs with the right check digits", _is_iban),
    ("card", "are card numbers by Luhn's check digit", _is_card),
    *(
        ("national_id", f"are {words} with the right check digits", _numbers(module))
        for words, module in (
            ("German tax ids", idnr),
            ("French social security numbers", nir),
            ("Spanish DNIs", dni),
            ("Spanish NIEs", nie),
            ("Italian fiscal codes", codicefiscale),
            ("Austrian insurance numbers", vnr),
            ("Belgian national numbers", nn),
            ("Swiss AHV numbers", ahv),
            ("Dutch citizen service numbers", bsn),
            ("Polish PESELs", pesel),
            ("Swedish identity numbers", personnummer),
            ("Brazilian CPFs", cpf),
        )
    ),
    ("national_id", "are written like US social security numbers", _written_as(_SSN)),
    ("national_id", "are written like British insurance numbers", _written_as(_NINO)),
    ("ip", "are IP addresses", _is_ip),
    ("phone", "look like phone numbers", _is_phone),
    ("free_text", f"are texts of {_WORDS_OF_PROSE} words or more", _is_prose),
)
