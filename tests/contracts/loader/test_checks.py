"""The checks of a contract: what each way to write one becomes, and what is refused."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import yaml

from contracts.loader import TABLES, load_contract, problems
from contracts.model import Check, Comparison, Severity, Threshold, Unit

COUNT = Comparison.EQUAL
NONE = Threshold(COUNT, (0.0,))


def quality(d):
    return d["schema"][0]["quality"]


def column(d, name):
    return next(p for p in d["schema"][0]["properties"] if p["name"] == name)


def own(rule, **more):
    """An entry of our own."""
    return {
        "id": "extra",
        "type": "custom",
        "engine": "strandline",
        "implementation": {"rule": rule, **more},
    }


def condition(then, when=None, **more):
    given = {"then": then} if when is None else {"then": then, "when": when}
    return own("condition", arguments=given, **more)


def metric(name, **more):
    return {"type": "library", "metric": name, **more}


def at_most(value, unit=Unit.PERCENT):
    return Threshold(Comparison.LESS_OR_EQUAL, (value,), unit)


def counted(identifier, rule, columns, arguments, threshold, **more):
    """A check of the standard."""
    more = {"severity": Severity.REFUSE, "dimension": "completeness", **more}
    return Check(
        identifier,
        rule,
        columns,
        arguments,
        weight=0.0,
        about_target=True,
        threshold=threshold,
        **more,
    )


TABLE, NAME, KEY = "table", "new_source_column1", "business_key"
SHARE = "SELECT 100.0 * COUNT_IF(new_source_column1 = '') / COUNT(*) FROM "

# Where an entry lies, the entry, and the check it becomes.
FORMS = {
    "a condition": (
        TABLE,
        condition("column3 >= 0", "status = 'ACTIVE'"),
        Check(
            "extra",
            "condition",
            ("status", "column3"),
            {"then": "column3 >= 0", "when": "status = 'ACTIVE'"},
            dimension="consistency",
        ),
    ),
    "a condition whose columns are said": (
        TABLE,
        {**condition("id > 0", columns=["id"]), "severity": "warning", "dimension": "ac"},
        Check(
            "extra", "condition", ("id",), {"then": "id > 0"}, Severity.WARN, dimension="accuracy"
        ),
    ),
    "a limit of our own, in percent": (
        TABLE,
        own("required", columns=["column2"], at_most={"percent": 5}),
        Check(
            "extra",
            "required",
            ("column2",),
            {},
            weight=0.0,
            dimension="completeness",
            threshold=at_most(5.0),
        ),
    ),
    "a limit of our own, in rows": (
        TABLE,
        own("unique", columns=["column1"], at_most={"rows": 10}, weight=0.5),
        Check(
            "extra",
            "unique",
            ("column1",),
            {},
            weight=0.5,
            dimension="uniqueness",
            threshold=at_most(10.0, Unit.ROWS),
        ),
    ),
    "a type": (
        TABLE,
        own("type", columns=["column1"], arguments={"type": "NUMERIC(10, 2)"}),
        Check("extra", "type", ("column1",), {"type": "decimal(10,2)"}, dimension="conformity"),
    ),
    "a length": (
        TABLE,
        own("length", columns=["column1"], arguments={"min": 1, "max": 9}),
        Check("extra", "length", ("column1",), {"min": 1, "max": 9}, dimension="conformity"),
    ),
    "a volume": (
        TABLE,
        own("volume", arguments={"percent": 50}),
        Check(
            "extra",
            "volume",
            (),
            {"percent": 50, "runs": 10},
            weight=0.0,
            dimension="completeness",
        ),
    ),
    "a drift": (
        TABLE,
        own("drift", columns=["column3"], arguments={"runs": 5}),
        Check(
            "extra",
            "drift",
            ("column3",),
            {
                "nulls_percent_points": 5.0,
                "distinct_percent": 50.0,
                "quantile_tolerance": 0.25,
                "runs": 5,
            },
            weight=0.0,
            dimension="consistency",
        ),
    ),
    "completeness": (
        TABLE,
        own("completeness"),
        Check("extra", "completeness", (), {}, weight=0.0, dimension="completeness"),
    ),
    "a reference to another source": (
        TABLE,
        own(
            "references",
            columns=["column1"],
            arguments={"relation": "s.t", "column": "c", "connection": "crm_db"},
        ),
        Check(
            "extra",
            "references",
            ("column1",),
            {"relation": "s.t", "column": "c", "connection": "crm_db"},
            dimension="consistency",
        ),
    ),
    "a reference to a history": (
        TABLE,
        own("references", columns=["id"], arguments={"history": "n.t", "column": "c"}),
        Check(
            "extra",
            "references",
            ("id",),
            {"history": "n.t", "column": "c"},
            dimension="consistency",
        ),
    ),
    "no nulls": (
        NAME,
        metric("nullValues", mustBe=0),
        counted(f"{NAME}_null_values", "null_values", (NAME,), {}, NONE),
    ),
    "few nulls, without a type": (
        NAME,
        {"metric": "nullValues", "mustBeLessThan": 1, "unit": "percent", "severity": "warning"},
        counted(
            f"{NAME}_null_values_2",
            "null_values",
            (NAME,),
            {},
            Threshold(Comparison.LESS, (1.0,), Unit.PERCENT),
            severity=Severity.WARN,
        ),
    ),
    "the earlier key and name of a metric": (
        NAME,
        {"type": "library", "rule": "duplicateCount", "mustBeLessThan": 10, "id": "ours"},
        counted(
            "ours",
            "duplicate_values",
            (NAME,),
            {},
            Threshold(Comparison.LESS, (10.0,)),
            dimension="uniqueness",
        ),
    ),
    "missing values": (
        NAME,
        metric(
            "missingValues", arguments={"missingValues": [None, "", "N/A"]}, mustBeLessOrEqualTo=2
        ),
        counted(
            f"{NAME}_missing_values",
            "missing_values",
            (NAME,),
            {"values": (None, "", "N/A")},
            Threshold(Comparison.LESS_OR_EQUAL, (2.0,)),
        ),
    ),
    "invalid values": (
        NAME,
        metric(
            "invalidValues",
            arguments={"validValues": ["a", "b"], "pattern": "^[ab]$"},
            mustNotBeBetween=[1, 3],
            severity="info",
        ),
        counted(
            f"{NAME}_invalid_values",
            "invalid_values",
            (NAME,),
            {"values": ("a", "b"), "pattern": "^[ab]$"},
            Threshold(Comparison.NOT_BETWEEN, (1.0, 3.0)),
            severity=Severity.WARN,
            dimension="conformity",
        ),
    ),
    "duplicates of several columns": (
        TABLE,
        metric("duplicateValues", mustBe=0, arguments={"properties": [KEY, NAME]}),
        counted(
            f"{KEY}_{NAME}_duplicate_values",
            "duplicate_values",
            (KEY, NAME),
            {},
            NONE,
            dimension="uniqueness",
        ),
    ),
    "a number of rows": (
        TABLE,
        metric("rowCount", mustBeBetween=[100, 120]),
        counted("row_count", "row_count", (), {}, Threshold(Comparison.BETWEEN, (100.0, 120.0))),
    ),
    "a query of the table": (
        TABLE,
        {
            "type": "sql",
            "name": "nameless share",
            "query": SHARE + "${object}",
            "mustBeLessThan": 2.5,
            "unit": "percent",
        },
        counted(
            "nameless_share",
            "sql",
            (NAME,),
            {"query": SHARE + "`target_table_enhanced`"},
            Threshold(Comparison.LESS, (2.5,), Unit.PERCENT),
            dimension="conformity",
        ),
    ),
    "a query of a column that gives a flag": (
        KEY,
        {"type": "sql", "query": "SELECT MIN({property}) > 0 FROM {object}", "mustBe": True},
        counted(
            f"{KEY}_sql",
            "sql",
            (KEY,),
            {"query": "SELECT MIN(`business_key`) > 0 FROM `target_table_enhanced`"},
            Threshold(COUNT, (1.0,)),
            dimension="conformity",
        ),
    ),
    "prose": (NAME, {"type": "text", "description": "Names are as people say them."}, None),
}


def add(d, place, entry):
    owner = d["schema"][0] if place == TABLE else column(d, place)
    owner.setdefault("quality", []).append(copy.deepcopy(entry))


def path_of(d, place, key="quality"):
    """Where the entry that was added last lies."""
    names = [each["name"] for each in d["schema"][0]["properties"]]
    owner = d["schema"][0] if place == TABLE else column(d, place)
    where = "schema[0]" if place == TABLE else f"schema[0].properties[{names.index(place)}]"
    return f"{where}.{key}[{len(owner[key]) - 1}]"


def slug(name):
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def shipped(cases, changed):
    """A shipped contract with an entry of each case, named after it, and where each lies."""
    document = yaml.safe_load((TABLES / "new_source_table.yaml").read_text(encoding="utf-8"))
    paths = {}
    for name, (place, entry, _) in cases.items():
        named = {**entry, "id": slug(name)} if entry.get("id") == "extra" else entry
        changed(document, place, named)
        paths[name] = path_of(document, place, "quality" if changed is add else "relationships")
    return document, paths


def file_of(directory, document):
    path = directory / "new_source_table.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def formed(tmp_path_factory):
    """The checks of a contract that has every form, by id."""
    document, _ = shipped(FORMS, add)
    contract = load_contract(file_of(tmp_path_factory.mktemp("forms"), document))
    return {check.id: check for check in contract.checks}


@pytest.mark.parametrize("form", [name for name in FORMS if FORMS[name][2]])
def test_an_entry_becomes_a_check(form, formed):
    expected = FORMS[form][2]
    identifier = slug(form) if expected.id == "extra" else expected.id

    assert formed[identifier] == replace(expected, id=identifier)


def test_prose_becomes_no_check(formed):
    own_ones = len(load_contract(TABLES / "new_source_table.yaml").checks)

    assert len(formed) == own_ones + len(FORMS) - 1


def relate(d, place, entry):
    owner = d["schema"][0] if place == TABLE else column(d, place)
    owner.setdefault("relationships", []).append(entry)


def ours(**values):
    return [{"property": "strandline", "value": values}]


RELATIONSHIPS = {
    "of a column": (
        NAME,
        {"to": "customers.name"},
        ("customers.name", "target_schema.customers", "name", Severity.WARN, 1.0),
    ),
    "of a column, in another namespace, with an error": (
        NAME,
        {
            "type": "foreignKey",
            "to": "crm.core.customers.name",
            "customProperties": ours(severity="error", weight=0.5),
        },
        ("", "crm.core.customers", "name", Severity.REFUSE, 0.5),
    ),
    "of the table": (
        TABLE,
        {"from": f"target_table_enhanced.{NAME}", "to": "customers.name"},
        ("", "target_schema.customers", "name", Severity.WARN, 1.0),
    ),
    "of the table, as a key of one column": (
        TABLE,
        {"from": [f"target_table_enhanced.{NAME}"], "to": ["customers.name"]},
        ("", "target_schema.customers", "name", Severity.WARN, 1.0),
    ),
}


@pytest.mark.parametrize("form", RELATIONSHIPS)
def test_a_relationship_becomes_a_reference_to_a_history(form, document, written):
    place, entry, (_, history, name, severity, weight) = RELATIONSHIPS[form]
    relate(document, place, entry)
    path = written(document)

    assert [str(problem) for problem in problems(path)] == []
    assert load_contract(path).checks[-1] == Check(
        f"{NAME}_in_customers",
        "references",
        (NAME,),
        {"column": name, "history": history},
        severity,
        weight,
        "consistency",
        about_target=True,
    )


def test_a_relationship_may_be_looked_up_in_a_source(document, written):
    properties = ours(relation="crm.people", connection="crm_db", at_most={"percent": 1})
    relate(document, NAME, {"id": "known", "to": "people.name", "customProperties": properties})

    check = load_contract(written(document)).checks[-1]

    assert check.id == "known"
    assert check.arguments == {"column": "name", "relation": "crm.people", "connection": "crm_db"}
    assert (check.threshold, check.weight) == (at_most(1.0), 0.0)


def test_checks_without_an_id_get_one_each(document, written):
    for limit in (1, 2):
        add(document, TABLE, metric("rowCount", mustBeGreaterThan=limit))
    add(document, TABLE, metric("rowCount", mustBe=3, id="row_count_2"))

    assert [check.id for check in load_contract(written(document)).checks[-3:]] == [
        "row_count", "row_count_3", "row_count_2",
    ]  # fmt: skip


def test_more_than_sixty_checks_are_fine(document, written):
    for number in range(70):
        add(document, TABLE, {**condition(f"id <> {number}"), "id": f"not_{number}"})

    assert len(load_contract(written(document)).checks) > 80


IMPL = "implementation"
# Where an entry lies, the entry, and the problems: a path below it, and words of what is said.
MISTAKES = {
    "a condition that names no column": (
        TABLE, condition("TRUE"), {f"{IMPL}.arguments.then": "names no column"}),
    "a condition that is a value": (
        TABLE, condition("column3 + 1"), {f"{IMPL}.arguments.then": "not a condition"}),
    "a condition without then": (
        TABLE, own("condition", arguments={"when": "id > 0"}),
        {f"{IMPL}.arguments.then": "is missing"}),
    "a condition of an unknown column": (
        TABLE, condition("colum3 > 0"), {f"{IMPL}.arguments.then": "did you mean column3?"}),
    "a condition of a target column": (
        TABLE, condition("business_key > 0"), {f"{IMPL}.arguments.then": "no column business_key"}),
    "a condition with an unknown function": (
        TABLE, condition("lenght(column1) > 0"),
        {f"{IMPL}.arguments.then": "did you mean length?"}),
    "a condition with a subquery": (
        TABLE, condition("id IN (SELECT id FROM t)"), {f"{IMPL}.arguments.then": "a query"}),
    "a condition that is a statement": (
        TABLE, condition("DROP TABLE t"), {f"{IMPL}.arguments.then": "a statement"}),
    "mistakes in both parts": (
        TABLE, condition("column1 > 1", "column3 = 'x'"),
        {f"{IMPL}.arguments.then": "can't be compared", f"{IMPL}.arguments.when": "CAST"}),
    "other columns than the condition's": (
        TABLE, condition("id > 0", columns=["column1"]),
        {f"{IMPL}.columns": "not those that the condition names"}),
    "a type of a number": (
        TABLE, own("type", columns=["column3"], arguments={"type": "date"}),
        {f"{IMPL}.columns": "looks at text; the column is decimal(10,2) (leave the check out"}),
    "a type that there is not": (
        TABLE, own("type", columns=["column1"], arguments={"type": "json"}),
        {f"{IMPL}.arguments.type": "json is no type"}),
    "a length of a number": (
        TABLE, own("length", columns=["column3"], arguments={"min": 1}),
        {f"{IMPL}.columns": "looks at text; the column is decimal(10,2) (use between)"}),
    "a length without bounds": (
        TABLE, own("length", columns=["column1"]), {f"{IMPL}.arguments": "min, max or both"}),
    "a length that ends before it begins": (
        TABLE, own("length", columns=["column1"], arguments={"min": 3, "max": 2}),
        {f"{IMPL}.arguments.min": "above max"}),
    "a limit of nothing": (
        TABLE, own("required", columns=["column2"], at_most={}),
        {f"{IMPL}.at_most": "a percentage or a number of rows (at_most: {percent: 5})"}),
    "a limit of both kinds": (
        TABLE, own("required", columns=["column2"], at_most={"percent": 1, "rows": 1}),
        {f"{IMPL}.at_most": "a percentage or a number of rows"}),
    "a limit above all": (
        TABLE, own("required", columns=["column2"], at_most={"percent": 101}),
        {f"{IMPL}.at_most.percent": "between 0 and 100"}),
    "a limit of a volume": (
        TABLE, own("volume", arguments={"percent": 1}, at_most={"rows": 1}),
        {f"{IMPL}.at_most": "among its arguments"}),
    "a volume of a column": (
        TABLE, own("volume", columns=["id"], arguments={"percent": 1}),
        {f"{IMPL}.columns": "no column of its own"}),
    "a volume below nothing": (
        TABLE, own("volume", arguments={"percent": -1, "runs": 1}),
        {f"{IMPL}.arguments.percent": "at least 0", f"{IMPL}.arguments.runs": "at least 2"}),
    "a drift of an unknown column": (
        TABLE, own("drift", columns=["colum3"]), {f"{IMPL}.columns[0]": "did you mean column3?"}),
    "a drift of nothing": (
        TABLE, own("drift", columns=[]), {f"{IMPL}.columns": "one column or more"}),
    "completeness of something": (
        TABLE, own("completeness", arguments={"percent": 1}),
        {f"{IMPL}.arguments.percent": "unknown key"}),
    "a reference to nothing": (
        TABLE, own("references", columns=["id"], arguments={"column": "c"}),
        {f"{IMPL}.arguments": "a relation of a source, or a history of ours"}),
    "a reference to two things": (
        TABLE, own("references", columns=["id"], arguments={
            "column": "c", "relation": "a.b", "history": "a.b"}),
        {f"{IMPL}.arguments": "a relation and a history"}),
    "a history without its namespace": (
        TABLE, own("references", columns=["id"], arguments={"column": "c", "history": "t"}),
        {f"{IMPL}.arguments.history": "namespace.table"}),
    "a connection of a history": (
        TABLE, own("references", columns=["id"], arguments={
            "column": "c", "history": "n.t", "connection": "crm_db"}),
        {f"{IMPL}.arguments.connection": "belongs to a relation"}),
    "a metric as a rule of ours": (
        TABLE, own("null_values", columns=["id"]),
        {f"{IMPL}.rule": "the standard's (write type: library and metric: nullValues)"}),
    "a limit of the standard on a rule of ours": (
        TABLE, {**own("required", columns=["column2"]), "mustBeLessThan": 1},
        {"mustBeLessThan": "use implementation.at_most"}),
    "a rule of ours beside its column": (
        NAME, own("required", columns=["id"]), {"": "move it to schema[0].quality"}),
    "an unknown type of check": (
        TABLE, {"type": "libary", "metric": "rowCount", "mustBe": 1},
        {"type": "did you mean library?"}),
    "neither a type nor a metric": (TABLE, {"id": "x"}, {"type": "is missing"}),
    "an unknown metric": (
        NAME, metric("nullValue", mustBe=0), {"metric": "did you mean nullValues?"}),
    "a metric without a limit": (
        NAME, metric("nullValues"), {"": "a metric needs a limit (such as mustBe: 0)"}),
    "a metric with two limits": (
        NAME, metric("nullValues", mustBeGreaterThan=0, mustBeLessThan=2),
        {"mustBeLessThan": "one limit"}),
    "a limit that is no number": (
        NAME, metric("nullValues", mustBe="none"), {"mustBe": "must be a number"}),
    "a limit below nothing": (
        NAME, metric("nullValues", mustBe=-1), {"mustBe": "at least 0"}),
    "a share above all": (
        NAME, metric("nullValues", mustBeLessThan=101, unit="percent"),
        {"mustBeLessThan": "at most 100"}),
    "a range the wrong way round": (
        TABLE, metric("rowCount", mustBeBetween=[2, 1]),
        {"mustBeBetween": "the lower one first"}),
    "an unknown unit": (
        NAME, metric("nullValues", mustBe=0, unit="percnt"), {"unit": "did you mean percent?"}),
    "a share of all rows": (
        TABLE, metric("rowCount", mustBe=0, unit="percent"), {"unit": "a share of all rows"}),
    "a number of rows of a column": (
        NAME, metric("rowCount", mustBe=0), {"metric": "move it to schema[0].quality"}),
    "nulls of the table": (
        TABLE, metric("nullValues", mustBe=0), {"metric": "the quality of that property"}),
    "duplicates of nothing": (
        TABLE, metric("duplicateValues", mustBe=0), {"arguments": "is missing"}),
    "duplicates of an unknown column": (
        TABLE, metric("duplicateValues", mustBe=0, arguments={"properties": ["busines_key"]}),
        {"arguments.properties": "did you mean business_key?"}),
    "nulls of a column that is generated": (
        "batch_id", metric("nullValues", mustBe=0), {"": "is generated"}),
    "missing values that are not said": (
        NAME, metric("missingValues", mustBe=0), {"arguments": "needs missingValues"}),
    "missing values that can't occur": (
        KEY, metric("missingValues", mustBe=0, arguments={"missingValues": ["", 0]}),
        {"arguments.missingValues": "do not all fit a column of type bigint"}),
    "invalid values that nothing defines": (
        NAME, metric("invalidValues", mustBe=0), {"arguments": "validValues or pattern"}),
    "a pattern of a number": (
        KEY, metric("invalidValues", mustBe=0, arguments={"pattern": "1"}),
        {"arguments.pattern": "looks at text; the column is bigint (use validValues)"}),
    "a pattern that does not compile": (
        NAME, metric("invalidValues", mustBe=0, arguments={"pattern": "("}),
        {"arguments.pattern": "no regular expression"}),
    "an unknown argument": (
        NAME, metric("invalidValues", mustBe=0, arguments={"validValue": ["a"]}),
        {"arguments.validValue": "did you mean validValues?",
         "arguments": "needs validValues or pattern"}),
    "a metric with a query": (
        NAME, metric("nullValues", mustBe=0, query="SELECT 1"), {"query": "has no query"}),
    "a timetable": (
        NAME, metric("nullValues", mustBe=0, schedule="0 20 * * *", scheduler="cron"),
        {"schedule": "in every load", "scheduler": "in every load"}),
    "two names of a metric": (
        NAME, metric("nullValues", mustBe=0, rule="rowCount"), {"rule": "another metric"}),
    "a query without a limit": (
        TABLE, {"type": "sql", "query": "SELECT COUNT(*) FROM ${object}"},
        {"": "a metric needs a limit"}),
    "a query of an unknown column": (
        TABLE, {"type": "sql", "query": "SELECT SUM(new_column3) FROM ${object}", "mustBe": 0},
        {"query": "there is no column new_column3"}),
    "a query of a column that is generated": (
        TABLE, {"type": "sql", "query": "SELECT COUNT(batch_id) FROM ${object}", "mustBe": 0},
        {"query": "is generated"}),
    "a query with a subquery": (
        TABLE, {"type": "sql", "query": "SELECT COUNT(*) FROM (SELECT 1) t", "mustBe": 0},
        {"query": "reads a query"}),
    "a query of another table": (
        TABLE, {"type": "sql", "query": "SELECT COUNT(*) FROM pg_shadow", "mustBe": 0},
        {"query": "not the table of the contract (use ${object})"}),
    "a query that changes something": (
        TABLE, {"type": "sql", "query": "DELETE FROM ${object}", "mustBe": 0},
        {"query": "is not one SELECT"}),
    "a query that gives a day": (
        TABLE, {"type": "sql", "query": "SELECT MAX(source_created_date) FROM {object}",
                "mustBe": 0},
        {"query": "gives a timestamp; a limit needs a number"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What is said about a contract that has every mistake at once, below the path of each."""
    by_case = {}
    for cases, changed in ((MISTAKES, add), (WRONG_RELATIONSHIPS, relate)):
        document, paths = shipped(cases, changed)
        found = problems(file_of(tmp_path_factory.mktemp("mistakes"), document))
        said = {problem.path: str(problem) for problem in found}
        for name, path in paths.items():
            mine = {key: words for key, words in said.items() if below(key, path)}
            by_case[name] = {key[len(path) + 1 :]: words for key, words in mine.items()}
            said = {key: words for key, words in said.items() if key not in mine}
        by_case[changed.__name__] = said
    return by_case


def below(key, path):
    return key == path or key.startswith((f"{path}.", f"{path}["))


@pytest.mark.parametrize("case", MISTAKES)
def test_each_mistake_is_told_with_its_place(case, told):
    expected = MISTAKES[case][2]

    assert set(told[case]) == set(expected), told[case]
    for key, words in expected.items():
        assert words in told[case][key]


def test_nothing_else_is_told(told):
    assert told["add"] == told["relate"] == {}


WRONG_RELATIONSHIPS = {
    "to nothing": (NAME, {}, {"to": "is missing"}),
    "to a table": (NAME, {"to": "customers"}, {"to": "table.column, or namespace.table.column"}),
    "to a place in a file": (
        NAME, {"to": "crm.yaml#/schema/a/properties/b"}, {"to": "not read here"}),
    "of another kind": (
        NAME, {"to": "a.b", "type": "foreignKy"}, {"type": "did you mean foreignKey?"}),
    "from a column, of a column": (
        NAME, {"to": "a.b", "from": "t.c"}, {"from": "this column already"}),
    "of the table, from nothing": (TABLE, {"to": "a.b"}, {"from": "is missing"}),
    "from another table": (
        TABLE, {"to": "a.b", "from": f"other.{NAME}"}, {"from": "not the contract's table"}),
    "from an unknown column": (
        TABLE, {"to": "a.b", "from": "target_table_enhanced.new_source_column"},
        {"from": "did you mean new_source_column"}),
    "of several columns": (
        TABLE, {"from": ["target_table_enhanced.business_key", f"target_table_enhanced.{NAME}"],
                "to": ["a.b", "a.c"]}, {"from": "one relationship per column"}),
    "of a column that is generated": ("batch_id", {"to": "a.b"}, {"": "is generated"}),
    "with an unknown setting": (
        NAME, {"to": "a.b", "customProperties": ours(severty="error")},
        {"customProperties.strandline.severty": "did you mean severity?"}),
    "with a connection alone": (
        NAME, {"to": "a.b", "customProperties": ours(connection="crm_db")},
        {"customProperties.strandline.connection": "belongs to a relation"}),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_RELATIONSHIPS)
def test_a_relationship_that_is_not_checked_is_refused(case, told):
    expected = WRONG_RELATIONSHIPS[case][2]

    assert set(told[case]) == set(expected), told[case]
    for key, words in expected.items():
        assert words in told[case][key]
