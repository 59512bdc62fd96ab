"""Looks for canaries in every byte of a place: in each spelling, and inside of what is packed.

A canary is a text or a key that must not be found. It is looked for as it is, in hexadecimal,
base64, UTF-16 and escaped; what is compressed or a column file is unpacked first.
"""

from __future__ import annotations

import base64
import io
import json
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

_GZIP, _ZSTD, _LZ4_BLOCK = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"LZ4Block"
_LZ4_FRAME, _SNAPPY_FRAME = b"\x04\x22\x4d\x18", b"\xff\x06\x00\x00sNaPpY"
_JAVA_SNAPPY = b"\x82SNAPPY\x00"
_AVRO, _PARQUET, _SQLITE = b"Obj\x01", b"PAR1", b"SQLite format 3\x00"
_LZ4_RAW = 0x10
_MOST = 1 << 28
"""Octets that one stream may unpack to."""


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """Where which canary was found, and in which spelling; never the canary itself."""

    where: str
    canary: str
    spelling: str


def spellings(canary: bytes) -> dict[str, bytes]:
    """The octets that betray the canary, by the name of the spelling."""
    found = {
        "raw": canary,
        "hex": canary.hex().encode(),
        "HEX": canary.hex().upper().encode(),
        "spaced hex": canary.hex(" ").encode(),
        "numbers": str(list(canary))[1:-1].encode(),
    }
    for shift in range(3):
        # Cut what depends on neighbours: the first digit after a shift, and the last ones.
        text = base64.b64encode(bytes(shift) + canary).rstrip(b"=")
        begin, end = (0, 2, 3)[shift], len(text) - (1 if (shift + len(canary)) % 3 else 0)
        found[f"base64+{shift}"] = text[begin:end]
        found[f"base64url+{shift}"] = text[begin:end].translate(bytes.maketrans(b"+/", b"-_"))
    try:
        text = canary.decode()
    except UnicodeDecodeError:
        found["escaped"] = repr(canary)[2:-1].encode()
        return found
    found["UTF-16LE"] = text.encode("utf-16-le")
    found["UTF-16BE"] = text.encode("utf-16-be")
    found["JSON"] = json.dumps(text)[1:-1].encode()
    found["URL"] = quote(text, safe="").encode()
    found["form"] = quote(text, safe="").replace("%20", "+").encode()
    return found


def search(canaries: Mapping[str, bytes], pieces: Iterable[tuple[str, bytes]]) -> list[Hit]:
    """Every canary that the pieces hold, by place and spelling.

    Args:
        canaries: What must not be found, by a name that may be printed.
        pieces: Octets with the name of their place, as `pieces_of` and `unpacked` give them.
    """
    wanted: dict[bytes, tuple[str, str]] = {}
    for name, canary in canaries.items():
        for spelling, octets in spellings(canary).items():
            wanted.setdefault(octets, (name, spelling))
    find = _Finder(wanted)
    return sorted({Hit(where, *wanted[each]) for where, octets in pieces for each in find(octets)})


class _Finder:
    """Finds which of many texts are in octets, each of which is looked at twice at most.

    A pattern of a thousand alternatives tries one after the other at each octet: minutes for an
    event log. Here a table says of the first three octets from a place whether a text begins so,
    another of the next three whether one goes on so; only where both do are texts compared.
    """

    _PART = 1 << 22

    def __init__(self, texts: Iterable[bytes]) -> None:
        self._texts: dict[bytes, list[bytes]] = {}
        for each in texts:
            self._texts.setdefault(each[:6], []).append(each)
        if any(len(each) < 6 for each in self._texts):
            message = "a text of fewer than six octets is found by chance"
            raise ValueError(message)
        self._begins, self._goes_on = (
            self._table(each[at : at + 3] for each in self._texts) for at in (0, 3)
        )

    @staticmethod
    def _table(threes: Iterable[bytes]) -> np.ndarray:
        table = np.zeros(1 << 24, dtype=bool)
        table[[int.from_bytes(each) for each in threes]] = True
        return table

    def __call__(self, octets: bytes) -> set[bytes]:
        """Those of the texts that the octets have."""
        found: set[bytes] = set()
        every = np.frombuffer(octets, dtype=np.uint8)
        for start in range(0, max(len(every) - 5, 0), self._PART):
            part = every[start : start + self._PART + 5].astype(np.uint32)
            threes = part[:-2] << 16 | part[1:-1] << 8 | part[2:]
            places = np.flatnonzero(self._begins[threes[:-3]])
            for place in start + places[self._goes_on[threes[places + 3]]]:
                at = int(place)
                alike = self._texts.get(octets[at : at + 6], ())
                found.update(each for each in alike if octets.startswith(each, at))
        return found


def pieces_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Each file under the folder, its name, and all that can be unpacked of it."""
    for path in sorted(folder.rglob("*")):
        where = str(path.relative_to(folder))
        yield f"name of {where}", where.encode()
        if path.is_file() and not path.is_symlink():
            yield from unpacked(where, path.read_bytes())


def unpacked(where: str, octets: bytes, depth: int = 4) -> Iterator[tuple[str, bytes]]:
    """The octets, and what their format or any compressed stream within them holds."""
    yield where, octets
    if not depth:
        return
    for name, inner in _within(octets):
        yield from unpacked(f"{where} > {name}", inner, depth - 1)


def _within(octets: bytes) -> Iterator[tuple[str, bytes]]:
    if octets.startswith(_PARQUET) and octets.endswith(_PARQUET):
        yield from _parquet(octets)
    if octets.startswith(_AVRO):
        yield from _avro(octets)
    if octets.startswith(_SQLITE):
        yield "dump", _sqlite(octets)
    for magic, name, unpack in (
        (_GZIP, "gzip", _gzip),
        (_ZSTD, "zstd", _zstd),
        (_LZ4_BLOCK, "lz4", _lz4_block),
        (_LZ4_FRAME, "lz4 frame", _lz4_frame),
        (_JAVA_SNAPPY, "snappy", _java_snappy),
    ):
        for start in (match.start() for match in re.finditer(re.escape(magic), octets)):
            inner = unpack(octets[start:])
            if inner:
                yield f"{name} at {start}", inner


def _gzip(octets: bytes) -> bytes | None:
    return _inflated(octets, zlib.MAX_WBITS | 16)


def _inflated(octets: bytes, bits: int) -> bytes | None:
    try:
        return zlib.decompressobj(bits).decompress(octets, _MOST)
    except zlib.error:
        return None


def _zstd(octets: bytes) -> bytes | None:
    told = bytearray()
    try:
        # Spark flushes a stream that it goes on with: what came before the end counts.
        with zstandard.ZstdDecompressor().stream_reader(
            io.BytesIO(octets), read_across_frames=False
        ) as reader:
            while (block := reader.read(1 << 16)) and len(told) < _MOST:
                told += block
    except zstandard.ZstdError:
        pass
    return bytes(told) or None


def _lz4_block(octets: bytes) -> bytes | None:
    """One block of lz4-java: magic 8, token 1, packed length 4, length 4, checksum 4."""
    size, length = (int.from_bytes(octets[at : at + 4], "little") for at in (9, 13))
    packed = octets[21 : 21 + size]
    if len(octets) < 22 or not length or len(packed) < size or length > _MOST:
        return None
    if octets[8] & 0xF0 == _LZ4_RAW:
        return packed
    return _arrow("lz4_raw", packed, length)


def _lz4_frame(octets: bytes) -> bytes | None:
    try:
        return pa.input_stream(io.BytesIO(octets), compression="lz4").read()
    except OSError:
        return None


def _java_snappy(octets: bytes) -> bytes | None:
    """The blocks of snappy-java's stream: a header of 16, then each its length 4 and itself."""
    told, at = bytearray(), 16
    while at + 4 <= len(octets):
        size = int.from_bytes(octets[at : at + 4], "big")
        packed = octets[at + 4 : at + 4 + size]
        inner = _snappy(packed) if len(packed) == size else None
        if not inner:
            break
        told += inner
        at += 4 + size
    return bytes(told) or None


def _snappy(packed: bytes) -> bytes | None:
    """A raw block of snappy, which begins with its unpacked length."""
    try:
        length, _ = _varint(packed, 0)
    except IndexError:
        return None
    return _arrow("snappy", packed, length) if 0 < length <= _MOST else None


def _arrow(codec: str, packed: bytes, length: int) -> bytes | None:
    try:
        return pa.Codec(codec).decompress(packed, length, asbytes=True)
    except (OSError, pa.ArrowInvalid):
        return None


def _parquet(octets: bytes) -> Iterator[tuple[str, bytes]]:
    """Every cell, and the footer's statistics and metadata; bloom filters hold digests."""
    file = pq.ParquetFile(io.BytesIO(octets))
    for name, column in zip(file.schema_arrow.names, file.read().columns, strict=True):
        # Parquet has days that Python has not.
        as_text = column.cast(pa.string()) if pa.types.is_temporal(column.type) else column
        cells = (each for each in as_text.to_pylist() if each is not None)
        yield f"column {name}", b"\n".join(map(_octets, cells))
    meta = file.metadata
    told = [_octets(meta.metadata or {})]
    for group in range(meta.num_row_groups):
        for at in range(meta.num_columns):
            figures = meta.row_group(group).column(at).statistics
            if figures is not None and figures.has_min_max:
                told += [_octets(figures.min_raw), _octets(figures.max_raw)]
    yield "footer", b"\n".join(told)


def _octets(cell: object) -> bytes:
    if isinstance(cell, bytes):
        return cell
    if isinstance(cell, Mapping):
        return b"\n".join(_octets(each) for pair in cell.items() for each in pair)
    if isinstance(cell, list | tuple):
        return b"\n".join(map(_octets, cell))
    return str(cell).encode()


def _avro(octets: bytes) -> Iterator[tuple[str, bytes]]:
    """The blocks of an Avro file, unpacked (Apache Avro 1.12, object container files)."""
    at, codec = 4, b"null"
    while True:
        pairs, at = _avro_long(octets, at)
        if not pairs:
            break
        if pairs < 0:
            _, at = _avro_long(octets, at)
        for _ in range(abs(pairs)):
            key, at = _avro_bytes(octets, at)
            value, at = _avro_bytes(octets, at)
            codec = value if key == b"avro.codec" else codec
    at += 16
    number = 0
    while at < len(octets):
        _, at = _avro_long(octets, at)
        block, at = _avro_bytes(octets, at)
        at += 16
        inner = {
            b"deflate": lambda packed: _inflated(packed, -zlib.MAX_WBITS),
            b"snappy": lambda packed: _snappy(packed[:-4]),
            b"zstandard": _zstd,
        }.get(codec, bytes)(block)
        yield f"block {number}", inner or b""
        number += 1


def _avro_long(octets: bytes, at: int) -> tuple[int, int]:
    number, at = _varint(octets, at)
    return (number >> 1) ^ -(number & 1), at


def _avro_bytes(octets: bytes, at: int) -> tuple[bytes, int]:
    length, at = _avro_long(octets, at)
    return octets[at : at + length], at + length


def _varint(octets: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (octets[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not octets[at - 1] & 0x80:
            return number, at


def _sqlite(octets: bytes) -> bytes:
    """Each cell, whole: in the file long ones are spread over pages."""
    connection = sqlite3.connect(":memory:")
    try:
        # A file in WAL mode can't be opened from memory: octets 18 and 19 say how it is written.
        connection.deserialize(octets[:18] + b"\x01\x01" + octets[20:])
        connection.text_factory = bytes
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = [name.decode() for (name,) in tables.fetchall()]
        rows = (
            row
            for name in names
            for row in connection.execute(f'SELECT * FROM "{name}"')  # noqa: S608 - its own names
        )
        return b"\n".join(_octets(cell) for row in rows for cell in row if cell is not None)
    finally:
        connection.close()
