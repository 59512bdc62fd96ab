"""Every built-in type of PostgreSQL, read, written to an Iceberg table and read back."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass, replace
from decimal import Decimal

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from psycopg import sql
from pyiceberg.table import StaticTable
from pyspark.sql import functions as F

from blocks.source_database import SourceDatabase
from contracts.loader import TABLES, find_contract
from contracts.model import LoadKind, SourceColumn
from contracts.model.reserved_column_names import UNFIT
from contracts.model.source_relation import Relation
from contracts.schemas.spark_schemas import source_schema
from history.spark.column_quoting_and_comparison import named
from tasks.source.jdbc_reader import Fetch, source_rows
from tasks.source.source_query import compile_source_query
from tasks.source.source_schema_drift import unfit_columns

NINES = "9" * 38


@dataclass(frozen=True)
class Case:
    """A type, how a contract reads it, literals that arrive as they are and such that can't."""

    declared: str
    wanted: str
    fits: tuple[str, ...]
    unfit: tuple[str, ...] = ()


def case(declared: str, wanted: str, fits: list[str], unfit: list[str] | None = None) -> Case:
    return Case(declared, wanted, tuple(fits), tuple(unfit or ()))


DATES = [
    "4714-11-24 BC", "0044-03-15 BC", "0001-12-31 BC", "0001-01-01", "1582-10-04", "1582-10-10",
    "1900-02-28", "1969-12-31", "1970-01-01", "2024-02-29", "9999-12-31", "10000-01-01",
    "5874897-12-31",
]  # fmt: skip
MOMENTS = [
    "4714-11-24 00:00:00 BC", "0044-03-15 23:59:59.999999 BC", "0001-01-01 00:00:00",
    "1582-10-04 23:59:59.999999", "1582-10-10 12:00:00", "1883-11-18 12:00:00",
    "1969-12-31 23:59:59.999999", "1970-01-01 00:00:00.000001", "2024-03-10 02:30:00",
    "9999-12-31 23:59:59.999999", "12000-01-01 00:00:00", "294246-12-31 23:59:59.999999",
]  # fmt: skip
NO_MOMENTS = ["infinity", "-infinity", "294276-12-31 23:59:59.999999"]
FLOATS = ["0", "-0.0", "1.1", "NaN", "Infinity", "-Infinity", "0.1", "16777217"]
INETS = ["192.168.0.1", "192.168.0.1/24", "0.0.0.0/0", "::1", "2001:db8::/32", "::ffff:1.2.3.4"]

CASES = [
    case("boolean", "boolean", ["true", "false"]),
    case("smallint", "smallint", ["-32768", "0", "32767"]),
    case("smallint", "bigint", ["-32768", "32767"]),
    case("integer", "int", ["-2147483648", "2147483647"]),
    case("integer", "decimal(12,2)", ["-2147483648", "2147483647"]),
    case("integer", "double", ["-2147483648", "2147483647"]),
    case("bigint", "bigint", ["-9223372036854775808", "9223372036854775807"]),
    case("bigint", "decimal(38,18)", ["-9223372036854775808", "9223372036854775807"]),
    case("oid", "bigint", ["0", "4294967295"]),
    case("oid", "decimal(20,0)", ["0", "4294967295"]),
    case("oid", "string", ["0", "4294967295"]),
    case("real", "float", [*FLOATS, "1.4e-45", "1.17549435e-38", "3.4028235e38"]),
    case("real", "double", [*FLOATS, "1.4e-45", "3.4028235e38"]),
    case(
        "double precision",
        "double",
        [*FLOATS, "4.9406564584124654e-324", "1.7976931348623157e308", "0.30000000000000004"],
    ),
    case("numeric(12,2)", "decimal(12,2)", ["1.50", "0", "-9999999999.99"], ["NaN"]),
    case("numeric(12,2)", "decimal(20,4)", ["1.50", "-9999999999.99"], ["NaN"]),
    case("numeric(12,2)", "decimal(5,2)", ["1.50", "-999.99"], ["1000", "NaN"]),
    case("numeric(12,2)", "decimal(12,1)", ["1.50", "-0.1"], ["1.55", "-0.01", "NaN"]),
    case("numeric(12,2)", "string", ["1.50", "NaN"]),
    case("numeric(38,0)", "decimal(38,0)", [NINES, f"-{NINES}"], ["NaN"]),
    case("numeric(38,38)", "decimal(38,38)", [f"0.{NINES}", f"-0.{'0' * 37}1", "0"], ["NaN"]),
    case("numeric(5,-2)", "decimal(10,0)", ["12300", "-9999900", "0"], ["NaN"]),
    case("numeric(5,-2)", "decimal(5,0)", ["12300"], ["100000", "NaN"]),
    case("numeric(3,5)", "decimal(10,5)", ["0.00999", "-0.00001"], ["NaN"]),
    case("numeric(39,1)", "decimal(38,1)", [f"{'9' * 37}.9"], [f"{NINES}.0", "NaN"]),
    case("numeric(1000,500)", "decimal(38,18)", ["1.5"], ["1e400", "1e-19", "1e-500", "NaN"]),
    case(
        "numeric",
        "decimal(38,18)",
        ["0", "-0.1", f"{'9' * 20}.{'9' * 18}", f"1.5{'0' * 40}"],
        [
            *(f"0.{'0' * 18}1", "1" * 21, "-" + "1" * 30, "1e1000", "1e131071", "1e-16383"),
            *("NaN", "Infinity", "-Infinity"),
        ],
    ),
    case("numeric", "string", ["1.50", "0.000", "1" * 1000, "NaN", "Infinity", "-Infinity"]),
    case("money", "decimal(19,2)", ["-92233720368547758.08", "92233720368547758.07", "0.01"]),
    case("money", "decimal(5,2)", ["-999.99"], ["1000.00", "92233720368547758.07"]),
    case("money", "decimal(5,1)", ["1.50"], ["1.55"]),
    case("money", "string", ["-92233720368547758.08", "1234.50"]),
    case("text", "string", ["", "  a  ", "é€😀", "a\nb\t\\", "'\"", "NULL", "x" * 100_000]),
    case("varchar", "string", ["", "  a  "]),
    case("varchar(5)", "string", ["", "ab  "]),
    case("char(5)", "string", ["ab", "", "é😀"]),
    case("char(1)", "string", ["é", " "]),
    case("bpchar", "string", ["ab  ", "", "  "]),
    case("name", "string", ["n", "", "x" * 63]),
    case('"char"', "string", ["c", "", "\\200"]),
    case("bytea", "binary", ["", "\\x00ff5c27", "\\x" + "00" * 1000]),
    case("date", "date", DATES, ["infinity", "-infinity"]),
    case("date", "string", [*DATES, "infinity", "-infinity"]),
    case("timestamp", "timestamp", MOMENTS, NO_MOMENTS),
    case("timestamp(3)", "timestamp", MOMENTS[:9], NO_MOMENTS),
    case("timestamp", "string", [*MOMENTS, *NO_MOMENTS]),
    case("timestamptz", "timestamp", [*MOMENTS, "2024-11-03 01:30:00-04"], NO_MOMENTS),
    case("timestamptz(0)", "timestamp", MOMENTS[:9], NO_MOMENTS),
    case("timestamptz", "string", [*MOMENTS, *NO_MOMENTS]),
    case("time", "string", ["00:00:00", "08:30:00.123456", "23:59:59.999999", "24:00:00"]),
    case("time", "timestamp", ["00:00:00", "08:30:00.123456", "23:59:59.999999", "24:00:00"]),
    case("time(3)", "string", ["08:30:00.123456"]),
    case("timetz", "string", ["08:30:00.123456+02", "00:00:00+15:59:59", "24:00:00-15:59"]),
    case(
        "interval",
        "string",
        [
            *("1 mon 2 days 03:04:05.123456", "-178000000 years", "178000000 years", "0"),
            *("infinity", "-infinity", "-1 year +2 days -00:00:00.000001"),
        ],
    ),
    case("interval day to second(3)", "string", ["2 days 03:04:05.123456"]),
    case("bit(1)", "boolean", ["1", "0"]),
    case("bit(1)", "string", ["1", "0"]),
    case("bit(8)", "string", ["10101010", "00000000"]),
    case("varbit", "string", ["", "101", "0" * 100]),
    case("varbit(5)", "string", ["101"]),
    case("uuid", "string", ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"]),
    case("json", "string", ['{"b":1.000000000000000000001, "a" :null}', '"\\u00e9"', "null"]),
    case("jsonb", "string", ['{"b":1.000000000000000000001, "a" :null}', "null"]),
    case("jsonpath", "string", ["$.a[*] ? (@ > 1)"]),
    case("xml", "string", []),  # the server at hand is built without it, and has nulls only
    case("inet", "string", INETS),
    case("cidr", "string", ["192.168.0.0/24", "10.0.0.1/32", "0.0.0.0/0", "2001:db8::/32"]),
    case("macaddr", "string", ["08:00:2b:01:02:03"]),
    case("macaddr8", "string", ["08:00:2b:01:02:03:04:05"]),
    case("tsvector", "string", ["a b:3A 'it''s'", ""]),
    case("tsquery", "string", ["a & !b | c <-> d", ""]),
    case("gtsvector", "string", []),
    case("point", "string", ["(1,2)", "(-0,NaN)", "(Infinity,1e-300)"]),
    case("line", "string", ["{1,2,3}"]),
    case("lseg", "string", ["[(1,2),(3,4)]"]),
    case("box", "string", ["(3,4),(1,2)"]),
    case("path", "string", ["((1,2),(3,4))", "[(1,2),(0.1,4)]"]),
    case("polygon", "string", ["((1,2),(3,4))"]),
    case("circle", "string", ["<(1,2),3>"]),
    case("aclitem", "string", ["=r/{user}"]),
    case("cid", "string", ["4294967295"]),
    case("tid", "string", ["(4294967295,65535)"]),
    case("xid", "string", ["4294967295"]),
    case("xid8", "string", ["18446744073709551615"]),
    case("pg_lsn", "string", ["FFFFFFFF/FFFFFFFF", "0/0"]),
    case("pg_snapshot", "string", ["10:20:10,14"]),
    case("txid_snapshot", "string", ["10:20:10,14"]),
    case("refcursor", "string", ["x", ""]),
    case("int2vector", "string", ["1 -2", ""]),
    case("oidvector", "string", ["1 4294967295"]),
    case("regclass", "string", ["pg_catalog.pg_class", "{schema}.everything", "0"]),
    case("regcollation", "string", ['"C"']),
    case("regconfig", "string", ["english"]),
    case("regdictionary", "string", ["simple"]),
    case("regnamespace", "string", ["pg_catalog"]),
    case("regoper", "string", ["0"]),
    case("regoperator", "string", ["+(integer,integer)"]),
    case("regproc", "string", ["pg_catalog.now"]),
    case("regprocedure", "string", ["abs(bigint)"]),
    case("regrole", "string", ["{user}"]),
    case("regtype", "string", ["integer", "{schema}.mood"]),
    case("pg_brin_bloom_summary", "string", []),
    case("pg_brin_minmax_multi_summary", "string", []),
    case("pg_dependencies", "string", []),
    case("pg_mcv_list", "string", []),
    case("pg_ndistinct", "string", []),
    case("pg_node_tree", "string", []),
    # what users make of them
    case("{schema}.mood", "string", ["glad", "sad "]),
    case("{schema}.pair", "string", ['(1,"a,b")', "(,)"]),
    case("{schema}.amount", "decimal(9,3)", ["1.500"], ["NaN"]),
    case("{schema}.mood[]", "string", ['{{glad,"sad ",NULL}}']),
    case("money[]", "string", ["{{}}"]),
    case("integer[]", "string", ["{{{{1,NULL}},{{2,3}}}}", "[0:1]={{1,2}}"]),
    case("numeric[]", "string", ["{{NaN,1.50}}"]),
    case("int4range", "string", ["[1,5)", "empty", "(,)"]),
    case("numrange", "string", ["[1.50,1.500]"]),
    case("daterange", "string", ["[2024-01-01,infinity)"]),
    case("tsrange", "string", ["[2024-01-01,)"]),
    case("tstzrange", "string", ["[2024-01-01 00:00-05,)"]),
    case("datemultirange", "string", ["{{[2024-01-01,2024-02-01)}}"]),
]
MADE = """
CREATE SCHEMA {schema};
CREATE TYPE {schema}.mood AS ENUM ('glad', 'sad ');
CREATE TYPE {schema}.pair AS (a integer, b text);
CREATE DOMAIN {schema}.base_amount AS numeric(9,3);
CREATE DOMAIN {schema}.amount AS {schema}.base_amount;
CREATE TABLE {schema}.counted (a integer DEFAULT 1 + 1, b integer);
INSERT INTO {schema}.counted SELECT n % 5, n % 5 FROM generate_series(1, 100) AS n;
CREATE STATISTICS {schema}.counts (ndistinct, dependencies, mcv) ON a, b FROM {schema}.counted;
ANALYZE {schema}.counted;
"""
SCHEMA = "source_types_test"
PLAIN = (
    *("TimeZone TO 'UTC'", "DateStyle TO 'ISO, YMD'", "IntervalStyle TO postgres"),
    *("search_path TO ''", "extra_float_digits TO 1", "bytea_output TO hex"),
    *("client_encoding TO 'UTF8'", "quote_all_identifiers TO off", "lc_monetary TO 'C'"),
)
BUILT_IN = """
SELECT format_type(t.oid, NULL), t.typtype::text, t.typcategory::text
FROM pg_type AS t
LEFT JOIN pg_type AS e ON t.typelem = e.oid AND e.typtype IN ('c', 'p')
WHERE
    e.oid IS NULL AND t.typnamespace = 'pg_catalog'::regnamespace
    AND t.typtype IN ('b', 'r', 'm', 'e', 'd')
"""
"""But for the rows of the catalog's own tables, and arrays of what no column can be."""
FILLED = {
    "pg_dependencies": "SELECT stxddependencies FROM pg_statistic_ext_data",
    "pg_mcv_list": "SELECT stxdmcv FROM pg_statistic_ext_data",
    "pg_ndistinct": "SELECT stxdndistinct FROM pg_statistic_ext_data",
    "pg_node_tree": "SELECT adbin FROM pg_attrdef",
}
"""Types whose values only the server makes, and where it keeps some."""


def worded(text: str, user: str) -> str:
    return (
        text.replace("{{", "{")
        .replace("}}", "}")
        .replace("{schema}", SCHEMA)
        .replace("{user}", user)
    )


@pytest.fixture(scope="module")
def server(any_postgres):
    """A session as a reading's are, on a server that may want others otherwise."""
    with psycopg.connect(any_postgres.dsn.get_secret_value(), autocommit=True) as connection:
        for setting in PLAIN:
            connection.execute(f"SET {setting}".encode())
        connection.execute(sql.SQL(MADE).format(schema=sql.Identifier(SCHEMA)))
        yield connection
        connection.execute("DROP SCHEMA source_types_test CASCADE")


@pytest.fixture(scope="module")
def cases(server, any_postgres):
    """The cases, and one for each built-in type that none of them is about."""
    listed = []
    for each in CASES:
        declared = worded(each.declared, any_postgres.user)
        fits = tuple(worded(text, any_postgres.user) for text in each.fits)
        listed.append(replace(each, declared=declared, fits=fits))
    rest = [
        case(name, "string", ["{}" if kind == "m" else "empty"])
        for name, kind, _ in server.execute(BUILT_IN).fetchall()
        if kind in "rm"
    ]
    arrays = [
        case(name, "string", ["{}", "{NULL}"])
        for name, _, category in server.execute(BUILT_IN).fetchall()
        if category == "A" and name.endswith("[]")
    ]
    return [*listed, *rest, *arrays]


@pytest.fixture(scope="module")
def promised(cases):
    """A contract that names a column for each case and nothing else of the table."""
    contract = find_contract("new_source_table", TABLES)
    columns = [SourceColumn(f"c{number}", each.wanted) for number, each in enumerate(cases)]
    source = replace(
        contract.source,
        schema=SCHEMA,
        table="everything",
        columns=(SourceColumn("id", "bigint"), *columns),
        load=LoadKind.FULL,
        watermark=(),
        partition_column="id",
    )
    return replace(contract, source=source)


@dataclass(frozen=True)
class Loaded:
    """What was read: per case the values by row, and what each row said could not be carried.

    `arrow` is the whole table as Spark and as PyIceberg hand it on, `deletes` the forms of the
    files that say which of its rows are deleted.
    """

    relation: Relation
    spark: list[list[object]]
    parquet: list[list[object]]
    pyiceberg: list[list[object]]
    arrow: tuple[pa.Table, pa.Table]
    deletes: list[str]
    unfit: list[dict[str, str]]


def filled(server, cases):
    """The table of all cases: a column each, the values below each other, and two rows of nulls.

    Returns:
        The id of the last row.
    """
    columns = [f"c{number} {each.declared}" for number, each in enumerate(cases)]
    server.execute(
        sql.SQL(
            "CREATE TABLE source_types_test.everything"
            ' (id bigint PRIMARY KEY, nobody_asked money[], "ID" xml, {})'
        ).format(sql.SQL(", ").join(map(sql.SQL, columns)))
    )
    last = 1 + max(len(each.fits) + len(each.unfit) for each in cases)
    for row in range(last + 1):
        values = [literal(each, row) for each in cases]
        server.execute(
            sql.SQL("INSERT INTO source_types_test.everything VALUES ({}, NULL, NULL, {})").format(
                row, sql.SQL(", ").join(values)
            )
        )
    return last


def literal(each, row):
    if row == 0 and each.declared in FILLED:
        return sql.SQL("({} LIMIT 1)").format(sql.SQL(FILLED[each.declared]))
    texts = (*each.fits, *each.unfit)
    if row >= len(texts):
        return sql.SQL("NULL")
    return sql.SQL("{}::{}").format(sql.Literal(texts[row]), sql.SQL(each.declared))


@pytest.fixture(scope="module")
def loaded(server, cases, promised, any_postgres, spark):
    """Read once, written to an Iceberg table, and read back by three readers.

    They are Spark, PyIceberg, and whoever reads the data file alone. The last row is deleted from
    the table, and stays in the file under a deletion vector.
    """
    last = filled(server, cases)
    source = SourceDatabase(
        host=any_postgres.host,
        port=any_postgres.port,
        database=any_postgres.database,
        user=any_postgres.user,
        password=any_postgres.password,
    )
    spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.source_types")
    table = "lake.source_types.everything"
    with source.reading() as reading:
        relation = reading.relation(SCHEMA, "everything")
        query = compile_source_query(promised, relation).rows()
        schema = source_schema(promised)
        rows = source_rows(spark, reading, schema, Fetch(1000, 60), query=query)
        written = rows.coalesce(1).sortWithinPartitions("id").writeTo(table).using("iceberg")
        for name, value in (("format-version", "3"), ("write.delete.mode", "merge-on-read")):
            written = written.tableProperty(name, value)
        written.create()
    server.execute("DELETE FROM source_types_test.everything WHERE id = %s", (last,))
    spark.sql("DELETE FROM lake.source_types.everything WHERE id = :last", args={"last": last})
    back = spark.table(table).orderBy("id")
    shown = [comparable(named(f"c{n}"), each.wanted) for n, each in enumerate(cases)]
    spark_rows = back.select(*shown, named(UNFIT)).collect()
    (file,) = spark.table(f"{table}.data_files").select("file_path").collect()
    files = pq.ParquetFile(file.file_path.removeprefix("file:")).read()
    files = files.filter(pc.field("id") < last).sort_by("id")
    log = spark.table(f"{table}.metadata_log_entries").orderBy(F.desc("timestamp")).first()
    scanned = StaticTable.from_metadata(log.file).scan().to_arrow().sort_by("id")
    yield Loaded(
        relation=relation,
        spark=[list(column) for column in zip(*[row[:-1] for row in spark_rows], strict=True)],
        parquet=[arrow_values(files[f"c{n}"], each.wanted) for n, each in enumerate(cases)],
        pyiceberg=[arrow_values(scanned[f"c{n}"], each.wanted) for n, each in enumerate(cases)],
        arrow=(back.toArrow(), scanned),
        deletes=[row.file_format for row in spark.table(f"{table}.delete_files").collect()],
        unfit=[json.loads(row[-1] or "{}") for row in spark_rows],
    )
    spark.sql(f"DROP TABLE {table} PURGE")
    spark.sql("DROP NAMESPACE lake.source_types")


def comparable(value, wanted):
    """A time as the number that it is: Python's own times end in the year 9999."""
    if wanted == "timestamp":
        return F.unix_micros(value)
    return F.unix_date(value) if wanted == "date" else value


def arrow_values(column, wanted):
    if wanted == "timestamp":
        return column.cast("int64").to_pylist()
    return (column.cast("int32") if wanted == "date" else column).to_pylist()


ORACLES = {
    "timestamp": "(EXTRACT(EPOCH FROM {column}) * 1000000)::numeric",
    "date": "('x' || encode(date_send({column}), 'hex'))::bit(32)::integer + 10957::bigint",
    "decimal": "{column}::text::numeric",
    "boolean": "{column}::text IN ('true', '1')",
    "bigint": "{column}::text::bigint",
    "double": "{column}::double precision",
}
"""What the database says a value is, by other means than the carrier."""


def asked_of(server, expression):
    return server.execute(
        sql.SQL("SELECT {} FROM source_types_test.everything ORDER BY id").format(
            sql.SQL(expression)
        )
    )


def held(server, number, each):
    """The column's values in the database; text as the type's own output function writes it."""
    column = f"c{number}"
    kind = each.wanted.partition("(")[0]
    asked = ORACLES.get(kind, "{column}").format(column=column)
    if each.declared == "money":
        asked = f"{column}::numeric"
    found = asked_of(server, asked)
    if kind != "string":
        return [value for (value,) in found.fetchall()]
    raw = [found.pgresult.get_value(row, 0) for row in range(found.rowcount)]
    return [None if text is None else text.decode() for text in raw]


def same(kind, found, expected):
    """Equal to the bit: NaN is NaN, and zero has a sign."""
    if expected is None or found is None:
        return found is None and expected is None
    if kind in ("float", "double"):
        form = "<f" if kind == "float" else "<d"
        both = math.isnan(found) and math.isnan(expected)
        return both or struct.pack(form, found) == struct.pack(form, expected)
    if kind == "binary":
        return bytes(found) == bytes(expected)
    return found == expected and isinstance(found, str) == isinstance(expected, str)


def test_every_built_in_type_is_known(server, cases):
    """A PostgreSQL with a new type fails here until somebody says how it is read."""
    tried = {each.declared for each in cases}
    names = {"varchar": "character varying", "char(5)": "character", "varbit": "bit varying"}
    tried |= {names[name] for name in names if name in tried}
    tried |= {"bit", "timestamp without time zone", "timestamp with time zone"}
    tried |= {"time without time zone", "time with time zone"}

    built_in = [name for name, _, _ in server.execute(BUILT_IN).fetchall()]

    assert len(built_in) > 150
    assert [name for name in built_in if name not in tried] == []


def test_a_value_arrives_as_it_is_or_is_told_with_its_row(server, cases, loaded):
    wrong = []
    for number, each in enumerate(cases):
        kind = each.wanted.partition("(")[0]
        expected = held(server, number, each)
        first = len(each.fits)
        expected[first : first + len(each.unfit)] = [None] * len(each.unfit)
        for where in ("spark", "parquet", "pyiceberg"):
            pairs = zip(getattr(loaded, where)[number], expected, strict=True)
            wrong += [
                (each.declared, each.wanted, row, where, found, right)
                for row, (found, right) in enumerate(pairs)
                if not same(kind, found, right)
            ]

    assert wrong == []


def test_another_reader_has_the_types_and_values_that_spark_has(loaded):
    spark, pyiceberg = loaded.arrow

    assert loaded.deletes == ["PUFFIN"]
    assert pyiceberg.column_names == spark.column_names
    assert [
        (one.name, one.type, other.type)
        for one, other in zip(spark.schema, pyiceberg.schema, strict=True)
        if one.type != narrow(other.type)
    ] == []
    assert [name for name in spark.column_names if bits(spark[name]) != bits(pyiceberg[name])] == []


def narrow(kind):
    """The type with offsets of 32 bits, as Spark writes it: which ones is a reader's own matter."""
    return {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}.get(kind, kind)


def bits(column):
    """A column that equals another where it has the same bits: not a number is one, too."""
    column = column.cast(narrow(column.type)).combine_chunks()
    same_size = {pa.float32(): pa.int32(), pa.float64(): pa.int64()}
    return column.view(same_size.get(column.type, column.type))


def test_a_value_that_is_not_carried_is_told_by_column_and_as_text(server, cases, loaded):
    expected = [{} for _ in loaded.unfit]
    for number, each in enumerate(cases):
        cast = "::numeric::text" if each.declared == "money" else "::text"
        texts = [text for (text,) in asked_of(server, f"c{number}{cast}").fetchall()]
        for row, _ in enumerate(each.unfit, start=len(each.fits)):
            expected[row][f"c{number}"] = texts[row]

    assert loaded.unfit == expected
    assert sum(map(len, expected)) > 30


def test_no_type_of_the_cases_is_refused(promised, loaded):
    assert unfit_columns(loaded.relation, promised) == ()


def test_what_only_the_server_makes_was_there_to_read(cases, loaded):
    numbers = {each.declared: number for number, each in enumerate(cases)}

    for declared in FILLED:
        value = loaded.spark[numbers[declared]][0]
        assert isinstance(value, str), declared
    assert isinstance(loaded.spark[numbers["numeric(38,0)"]][0], Decimal)
