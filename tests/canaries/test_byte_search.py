"""The search finds leaks that were planted: in each spelling and in each kind of place."""

from __future__ import annotations

import base64
import gzip
import pickle
import sqlite3
import zlib
from urllib.parse import quote, quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from prefect.serializers import PickleSerializer

from tests.canaries.byte_search import Hit, pieces_of, search, unpacked

TEXT = 'Zephyrine "Quill" Früh'
KEY = bytes(range(200, 232))
CANARIES = {"name": TEXT.encode(), "key": KEY}


def found(octets, where="planted"):
    return {(hit.canary, hit.spelling) for hit in search(CANARIES, unpacked(where, octets))}


@pytest.mark.parametrize(
    ("spelling", "octets"),
    [
        ("raw", TEXT.encode()),
        ("hex", TEXT.encode().hex().encode()),
        ("HEX", TEXT.encode().hex().upper().encode()),
        ("UTF-16LE", TEXT.encode("utf-16-le")),
        ("UTF-16BE", TEXT.encode("utf-16-be")),
        ("JSON", b'"Zephyrine \\"Quill\\" Fr\\u00fch"'),
        ("URL", quote(TEXT).encode()),
        ("form", quote_plus(TEXT).encode()),
    ],
)
def test_each_spelling_of_a_text_is_found(spelling, octets):
    assert found(b"before " + octets + b" after") == {("name", spelling)}


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_found_wherever_the_value_begins_and_ends(canary, before, after, encode):
    octets = encode(b"x" * before + CANARIES[canary] + b"\xff" * after)

    assert {name for name, _ in found(octets)} == {canary}


def test_a_key_is_found_raw_in_hex_and_as_python_writes_it():
    assert found(KEY) == {("key", "raw")}
    assert found(KEY.hex().encode()) == {("key", "hex")}
    assert found(repr(KEY).encode()) == {("key", "escaped")}


def lz4_java(octets, *, packed=True):
    body = pa.Codec("lz4_raw").compress(octets, asbytes=True) if packed else octets
    lengths = b"".join(len(each).to_bytes(4, "little") for each in (body, octets))
    return b"LZ4Block" + bytes([0x20 if packed else 0x10]) + lengths + bytes(4) + body


def snappy_java(octets):
    body = pa.Codec("snappy").compress(octets, asbytes=True)
    return b"\x82SNAPPY\x00" + bytes(8) + len(body).to_bytes(4, "big") + body


def avro_varint(number):
    number <<= 1
    told = bytearray()
    while number > 0x7F:
        told.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*told, number])


def avro(octets, codec, pack):
    block = pack(octets)
    head = b"".join(avro_varint(len(each)) + each for each in (b"avro.codec", codec))
    body = avro_varint(1) + avro_varint(len(block)) + block
    return b"Obj\x01" + avro_varint(1) + head + avro_varint(0) + bytes(16) + body + bytes(16)


def deflated(octets):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(octets) + packer.flush()


LONG = b"some words that repeat, some words that repeat " * 3 + TEXT.encode() * 2


@pytest.mark.parametrize(
    "octets",
    [
        gzip.compress(LONG),
        zstandard.compress(LONG),
        zstandard.compress(LONG)[:-2],
        lz4_java(LONG),
        lz4_java(LONG, packed=False),
        pa.compress(LONG, "lz4", asbytes=True),
        snappy_java(LONG),
        avro(LONG, b"null", bytes),
        avro(LONG, b"deflate", deflated),
        avro(LONG, b"zstandard", zstandard.compress),
        avro(LONG, b"snappy", lambda t: pa.compress(t, "snappy", asbytes=True) + bytes(4)),
        b"PFA1" + zstandard.compress(LONG) + b"PFA1",
        pickle.dumps(ValueError(TEXT)),
        zstandard.compress(gzip.compress(LONG)),
    ],
    ids=[
        "gzip",
        "zstd",
        "cut-zstd",
        "lz4-java",
        "lz4-java-unpacked",
        "lz4-frame",
        "snappy-java",
        "avro",
        "avro-deflate",
        "avro-zstandard",
        "avro-snappy",
        "puffin",
        "pickle",
        "nested",
    ],
)
def test_what_is_packed_is_unpacked(octets):
    assert found(b"in front of it " * (octets[:3] != b"Obj") + octets)


def test_a_pickled_result_of_prefect_is_read():
    assert found(PickleSerializer(picklelib="pickle").dumps({"name": TEXT}))


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_cells_statistics_and_metadata_of_parquet_are_read(tmp_path, compression, dictionary):
    path = tmp_path / "a.parquet"
    table = pa.table({"deep": [[{"name": TEXT}]], "key": [KEY]}, metadata={"note": TEXT})
    pq.write_table(table, path, compression=compression, use_dictionary=dictionary)

    places = {hit.where: hit.canary for hit in search(CANARIES, pieces_of(tmp_path))}

    assert places["a.parquet > column deep"] == "name"
    assert places["a.parquet > column key"] == "key"
    assert "a.parquet > footer" in places


def test_cells_of_sqlite_are_whole_also_over_several_pages_and_names_of_files_count(tmp_path):
    with sqlite3.connect(tmp_path / "prefect.db") as database:
        database.execute("PRAGMA page_size = 512")
        database.execute("CREATE TABLE log (message TEXT)")
        for before in range(0, 600, 7):
            database.execute("INSERT INTO log VALUES (?)", ("-" * before + TEXT,))
    database.close()
    (tmp_path / KEY.hex()).touch()

    hits = search(CANARIES, pieces_of(tmp_path))

    assert Hit("prefect.db > dump", "name", "raw") in hits
    assert Hit(f"name of {KEY.hex()}", "key", "hex") in hits


def test_nothing_is_found_where_nothing_is():
    others = {"other": b"Ottoline Marsh", "zero": bytes(32)}

    assert search(others, unpacked("x", gzip.compress(LONG) + LONG + pickle.dumps(KEY))) == []
