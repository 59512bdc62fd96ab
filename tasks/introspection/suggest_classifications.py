"""How sensitive each column may be, by its name and by a sample, and what it is made of.

Promise: each suggestion says why, in counts and words; no sampled value is in one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from contracts.model import Classification, SourceColumn
from contracts.model.database_type_names import family
from contracts.model.sensitivity import SENSITIVE, effective_classifications, made_of
from contracts.model.source_relation import ColumnDetails, RelationColumn, RelationDetails
from tasks.introspection.personal_data_names import (
    BYTES,
    DAY,
    DOCUMENT,
    KINDS,
    NUMBER,
    TEXT,
    PersonalData,
    is_about_people,
    kind_named,
    name_words,
)
from tasks.introspection.personal_data_values import (
    Likeness,
    is_recognisable,
    likeness,
    mentions,
)
from tasks.introspection.sampled_rows import Sample
from tasks.transforms.protection.derived_value_search import DerivedColumn, derived_columns

__all__ = ["COMPUTED", "Suggestion", "sensitive_columns", "suggested_classifications"]

_BY_NAME = {kind.name: kind for kind in KINDS}
COMPUTED = "computed by the database"
"""Of a column that the source makes from others."""
_MOST, _NONE = 0.8, 0.05
_FEWEST_VALUES, _ENOUGH_VALUES = 3, 20
_FORMS = {
    "numeric": NUMBER, "decimal": NUMBER, "money": NUMBER, "json": DOCUMENT, "jsonb": DOCUMENT,
    "xml": DOCUMENT, "tsvector": DOCUMENT, "hstore": DOCUMENT,
}  # fmt: skip
"""Of types that are read as text."""
_FORMS_READ = {
    "integer": NUMBER, "number": NUMBER, "date": DAY, "timestamp": DAY, "binary": BYTES,
    "string": TEXT,
}  # fmt: skip
"""Of the others, by the family of the Spark type."""
_NO_TEXT = ("uuid", "boolean", "interval", "time", "bit", "macaddr", "enum", "set", "year")
_MADE = ("array", "enum", "composite", "range", "multirange", "pseudo")
_NETWORK = ("inet", "cidr", "inet4", "inet6")
_MOST_PARTS, _DIGEST_ROWS = 12, 4
"""A digest is looked for over combinations of columns, whose number grows with the fourth power."""
_FEWEST_COMPARED, _MOST_COMPARED, _COMPARISONS = 40, 400, 60_000
"""Each column is compared with each sensitive one: of wide tables in fewer rows."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What is suggested of one column.

    Attributes:
        classification: How sensitive it is itself; None: nothing suggests that it is.
        why: Why, in words; also why it is thought to be made of others.
        made_of: The columns that it is made of.
        doubt: What speaks against it; empty: nothing does.
        kind: The kind of personal data, as `personal_data_names` calls it; empty: none.
    """

    classification: Classification | None = None
    why: tuple[str, ...] = ()
    made_of: tuple[str, ...] = ()
    doubt: str = ""
    kind: str = ""


def suggested_classifications(
    details: RelationDetails, columns: Sequence[str], types: Mapping[str, str], sample: Sample
) -> Mapping[str, Suggestion]:
    """By column, what is suggested; columns of which nothing is are left out.

    Args:
        details: The table.
        columns: The columns that the contract will have.
        types: The Spark type of each.
        sample: Rows of it, or none.
    """
    described = {each.name: each for each in details.relation.columns if each.name in columns}
    forms = {
        name: _form(each, details.columns[name], types[name]) for name, each in described.items()
    }
    named = {name: kind_named(name, forms[name]) for name in described}
    people = is_about_people(details.relation.name) or any(
        kind is not None and kind.name in ("email", "phone", "birth_date", "name")
        for kind in named.values()
    )
    found = {}
    for name, column in described.items():
        kind = named[name] or _bare_name(name, forms[name], people=people)
        suggestion = _suggestion(column, forms[name], kind, sample.values(name))
        if suggestion is not None and not details.columns[name].labels:
            found[name] = suggestion
    return _with_origins(details, forms, found, sample)


def _form(column: RelationColumn, more: ColumnDetails, read_as: str) -> str:
    """What the values of a column come as, in the words of `personal_data_names`; "" for others."""
    if column.kind in _MADE:
        return ""
    bare = column.type.lower().partition("(")[0].strip()
    named = _FORMS.get(bare) or _FORMS.get(more.declared.lower())
    if named is not None and read_as != "binary":
        return named
    form = _FORMS_READ.get(family(read_as), "")
    return "" if form == TEXT and bare.startswith(_NO_TEXT) else form


def _bare_name(name: str, form: str, *, people: bool) -> PersonalData | None:
    """A column that is called `name` and nothing else, in a table about people."""
    is_name = name_words(name) in (("name",), ("names",), ("title", "name"))
    return _BY_NAME["name"] if people and is_name and form == TEXT else None


def _suggestion(
    column: RelationColumn, form: str, kind: PersonalData | None, values: Sequence[str]
) -> Suggestion | None:
    if column.kind == "base" and column.type in _NETWORK:
        why = ("an IP address by its type",)
        return Suggestion(_BY_NAME["ip"].classification, why, kind="ip")
    seen = _seen(form, values, None if kind is None else kind.name)
    if kind is None and seen is None:
        return None
    if kind is None and seen is not None:
        how = _BY_NAME[seen.kind].classification
        return Suggestion(how, (_counted(seen),), kind=seen.kind)
    return _named(kind, seen, form, values) if kind is not None else None


def _named(
    kind: PersonalData, seen: Likeness | None, form: str, values: Sequence[str]
) -> Suggestion:
    """What the name suggests, with what the sample says for or against it."""
    why = [f"named like {kind.word}"]
    classification, doubt = kind.classification, ""
    if seen is not None:
        why.append(_counted(seen))
        other = _BY_NAME[seen.kind].classification
        classification = max((classification, other), key=tuple(Classification).index)
    elif form in (TEXT, NUMBER) and kind.name != "free_text" and is_recognisable(kind.name):
        best = likeness(values, kind.name)[0]
        if best.values >= _ENOUGH_VALUES and best.matches <= _NONE * best.values:
            doubt = f"{best.matches} of {best.values} sampled values look like {kind.words}"
    return Suggestion(classification, tuple(why), doubt=doubt, kind=kind.name)


def _seen(form: str, values: Sequence[str], named: str | None) -> Likeness | None:
    """What most of the values look like; of what the name says one value is enough."""
    if form == DOCUMENT:
        return mentions(values)
    if form not in (TEXT, NUMBER):
        return None
    numbers = ("card", "national_id", "iban")
    for each in likeness(values):
        if form == NUMBER and each.kind not in numbers:
            continue
        fewest = 1 if each.kind == named else _FEWEST_VALUES
        if each.distinct >= fewest and each.matches >= _MOST * each.values:
            return each
    return mentions(values) if form == TEXT else None


def _counted(seen: Likeness) -> str:
    return f"{seen.matches} of {seen.values} sampled values {seen.looks}"


def _with_origins(
    details: RelationDetails,
    forms: Mapping[str, str],
    suggestions: Mapping[str, Suggestion],
    sample: Sample,
) -> Mapping[str, Suggestion]:
    """With what the database computes from other columns, and what the sample shows as derived.

    `forms` are what the values of each column come as.
    """
    found, columns = dict(suggestions), tuple(forms)
    for name in columns:
        parts = tuple(part for part in details.columns[name].made_of or () if part in columns)
        if parts:
            before = found.get(name, Suggestion())
            found[name] = replace(before, made_of=parts)
    for derived in _derived(details, forms, found, sample):
        before = found.get(derived.column, Suggestion())
        parts = tuple(dict.fromkeys((*before.made_of, *derived.of)))
        changed = found | {derived.column: replace(before, made_of=parts)}
        if _has_circle(columns, changed):
            continue
        why = f"{_how(derived)} {', '.join(derived.of)} in {derived.rows} of the sampled rows"
        # That a digest of addresses looks like none is no doubt about it.
        found[derived.column] = replace(before, made_of=parts, why=(*before.why, why), doubt="")
    return _with_untold_origins(details, forms, found)


def _with_untold_origins(
    details: RelationDetails, forms: Mapping[str, str], suggestions: Mapping[str, Suggestion]
) -> Mapping[str, Suggestion]:
    """With computed columns of which nobody tells the origin: as sensitive as any other column."""
    sensitive = sensitive_columns(tuple(forms), suggestions)
    if not sensitive:
        return suggestions
    most = max(sensitive.values(), key=tuple(Classification).index)
    found = dict(suggestions)
    for name, form in forms.items():
        before = suggestions.get(name, Suggestion())
        untold = details.columns[name].made_of is None and not before.made_of
        if untold and form and name not in sensitive:
            found[name] = replace(
                before,
                classification=most,
                why=(*before.why, COMPUTED),
                doubt="the catalog does not tell from which columns",
            )
    return found


def _how(derived: DerivedColumn) -> str:
    return derived.how + (" of" if derived.how.startswith("plain") else ":")


def _derived(
    details: RelationDetails,
    forms: Mapping[str, str],
    suggestions: Mapping[str, Suggestion],
    sample: Sample,
) -> tuple[DerivedColumn, ...]:
    columns = tuple(forms)
    sure = {name: each for name, each in suggestions.items() if not each.doubt}
    sensitive = sensitive_columns(columns, sure)
    own = [name for name in columns if name in sensitive and not _generated(details, name)]
    if not own or not sample.rows:
        return ()
    others = [name for name in columns if name not in sensitive]
    rows = max(_FEWEST_COMPARED, min(_MOST_COMPARED, _COMPARISONS // (len(own) * len(others) or 1)))
    chosen = {*own[:_MOST_PARTS], *others[: max(_MOST_PARTS - len(own), 0)]}
    return derived_columns(
        sample.rows[:rows],
        clear=[name for name in others if forms[name] in (TEXT, DOCUMENT, BYTES)],
        parts=[name for name in columns if name in chosen],
        sensitive=set(own),
        digest_rows=_DIGEST_ROWS,
    )


def _generated(details: RelationDetails, name: str) -> bool:
    more = details.columns[name]
    return more.generated and more.made_of is not None


def sensitive_columns(
    columns: Sequence[str], suggestions: Mapping[str, Suggestion]
) -> Mapping[str, Classification]:
    """The columns that are not to be stored in the clear, each with its classification."""
    effective = effective_classifications(_as_contract(columns, suggestions))
    return {name: how for name, how in effective.items() if how in SENSITIVE}


def _as_contract(
    columns: Sequence[str], suggestions: Mapping[str, Suggestion]
) -> list[SourceColumn]:
    known = {name: suggestions.get(name, Suggestion()) for name in columns}
    return [
        SourceColumn(
            name,
            "string",
            classification=each.classification or Classification.INTERNAL,
            derived_from=each.made_of or None,
        )
        for name, each in known.items()
    ]


def _has_circle(columns: Sequence[str], suggestions: Mapping[str, Suggestion]) -> bool:
    reached = made_of(_as_contract(columns, suggestions))
    return any(
        name in reached.get(part, frozenset())
        for name, each in suggestions.items()
        for part in each.made_of
    )
