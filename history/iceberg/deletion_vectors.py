"""Rows marked deleted by their places: deletion vectors, without reading the table once more.

Promise: the rows are marked in one commit, on a branch. Where that can't be done, nothing was
written, and the caller has another way: a MERGE, which finds the rows by their keys.

Places are files and positions in them, as a scan of the very snapshot that the branch begins at
gave them. They stay in the JVM, grouped by file.

Iceberg, "Table Spec", "Deletion Vectors"; Iceberg 1.12, `BaseDVFileWriter`, `RowDelta`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from history.iceberg.java_table import java_table

__all__ = ["FILE", "MOST_FILES", "MOST_ROWS", "POSITION", "mark_deleted"]

FILE, POSITION = "file", "position"
"""The columns of a place."""

MOST_ROWS = 1_000_000
"""So many places are held in the driver, at eight octets and an object each."""

MOST_FILES = 1_000
"""In so many files it takes some calls of Java each."""

_FIRST_FORMAT = 3
"""Tables of an older format have position delete files and must not have vectors."""


def mark_deleted(places: DataFrame, table: str, branch: str, *, base: int) -> bool:
    """Mark stored rows deleted on a branch that stands at the snapshot `base`.

    Args:
        places: `FILE` and `POSITION` of each row, none twice; at most `MOST_ROWS`.
        table: `catalog.namespace.name`.
        branch: The branch, which exists.
        base: The snapshot that the places were read in.

    Returns:
        False if it is not done: over Spark Connect, in a table of format 2 or whose deletes are
        no vectors, or with rows in very many files.
    """
    spark = places.sparkSession
    loaded = java_table(spark, table)
    if loaded is None or loaded.operations().current().formatVersion() < _FIRST_FORMAT:
        return False
    # In one task, whose rows need no shuffle to be grouped.
    grouped = places.coalesce(1).groupBy(FILE).agg(F.collect_list(POSITION))
    rows = grouped._jdf.collectAsList()  # noqa: SLF001 - the positions stay in the JVM
    if rows.size() > MOST_FILES:
        return False
    jvm = spark._jvm  # noqa: SLF001
    files = _files(loaded, base, {str(row.getString(0)) for row in rows})
    if not all(each.has_plain_vectors(jvm) for each in files.values()):
        return False
    vectors = _Vectors(jvm, loaded)
    for row in rows:
        vectors.add(files[str(row.getString(0))], row.getList(1))
    vectors.commit(branch, base)
    return True


@dataclass(frozen=True, slots=True)
class _DataFile:
    """A data file of the table, and the delete files that a reader of it applies."""

    path: str
    file: Any = field(repr=False)
    spec: Any = field(repr=False)
    deletes: tuple[Any, ...] = field(repr=False)

    def has_plain_vectors(self, jvm: Any) -> bool:
        """Whether what was deleted before, if anything, is in vectors that are not encrypted."""
        is_vector = jvm.org.apache.iceberg.util.ContentFileUtil.isDV
        return all(is_vector(each) and each.keyMetadata() is None for each in self.deletes)


def _files(loaded: Any, snapshot: int, paths: set[str]) -> dict[str, _DataFile]:
    """The files of a snapshot with these paths."""
    found: dict[str, _DataFile] = {}
    tasks = loaded.newScan().useSnapshot(snapshot).planFiles()
    try:
        for task in _each(tasks):
            path = str(task.file().location())
            if path in paths:
                deletes = tuple(_each(task.deletes()))
                found[path] = _DataFile(path, task.file(), task.spec(), deletes)
            if len(found) == len(paths):
                break
    finally:
        tasks.close()
    return found


class _Vectors:
    """Deletion vectors in the making, one a data file, each with what was deleted there before."""

    def __init__(self, jvm: Any, loaded: Any) -> None:
        self._jvm, self._table, iceberg = jvm, loaded, jvm.org.apache.iceberg
        output = iceberg.io.OutputFileFactory.builderFor(loaded, 1, time.time_ns())
        puffin = output.format(iceberg.FileFormat.PUFFIN).build()
        self._before = jvm.java.util.HashMap()
        # Java asks for a function. Those of maps are the ones that need no class of ours.
        before = jvm.com.google.common.base.Functions.forMap(self._before, None)
        self._writer = iceberg.deletes.BaseDVFileWriter(puffin, before)
        self._paths = jvm.java.util.ArrayList()

    def add(self, file: _DataFile, positions: Any) -> None:
        """Delete these positions of a file: a `java.util.List` of `Long`."""
        iceberg = self._jvm.org.apache.iceberg
        if file.deletes:
            self._before.put(file.path, self._read(file))
        closeable = iceberg.io.CloseableIterable
        index = iceberg.deletes.Deletes.toPositionIndex(
            closeable.combine(positions, closeable.empty())
        )
        self._writer.delete(file.path, index, file.spec, file.file.partition())
        self._paths.add(file.path)

    def commit(self, branch: str, base: int) -> None:
        """Write the vectors and commit them, in place of those that the files had."""
        self._writer.close()
        result = self._writer.result()
        delta = self._table.newRowDelta().toBranch(branch).validateFromSnapshot(base)
        delta = delta.validateDataFilesExist(self._paths).validateDeletedFiles()
        for vector in _each(result.deleteFiles()):
            delta = delta.addDeletes(vector)
        for replaced in _each(result.rewrittenDeleteFiles()):
            delta = delta.removeDeletes(replaced)
        delta.commit()

    def _read(self, file: _DataFile) -> Any:
        inputs, deletes = self._jvm.java.util.HashMap(), self._jvm.java.util.ArrayList()
        for each in file.deletes:
            inputs.put(each, self._table.io().newInputFile(each.location()))
            deletes.add(each)
        opened = self._jvm.com.google.common.base.Functions.forMap(inputs)
        loader = self._jvm.org.apache.iceberg.data.BaseDeleteLoader(opened)
        return loader.loadPositionDeletes(deletes, file.path)


def _each(items: Any) -> Iterator[Any]:
    """The items of a Java iterable."""
    iterator = items.iterator()
    while iterator.hasNext():
        yield iterator.next()
