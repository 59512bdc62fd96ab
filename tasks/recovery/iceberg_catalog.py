"""The catalog itself, below Spark's SQL: which metadata file each table and view points to.

Promise: works for every kind of catalog, and with tables that can't be loaded, which SQL could
neither drop nor name. Nothing here deletes a file.

Iceberg 1.12, "Java API": `Catalog.registerTable`, `TableMetadata`, `SupportsPrefixOperations`.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from blocks.lakehouse import Lakehouse
from contracts.errors import EnvironmentUnfitError
from history.spark.session_kind import over_connect

_ABSENT = ("NoSuchTableException", "NoSuchViewException", "NoSuchIcebergTableException")
_VERSION = re.compile(r"^(\d+)-[^/]*\.metadata\.json$")
_FILE = re.compile(r"^file:/+")


@dataclass(frozen=True, slots=True)
class Pointer:
    """What the catalog has for a name, and what its metadata say.

    Attributes:
        location: The metadata file's address.
        uuid: The table's own id.
        snapshot_id: What readers see; None: nothing yet, or a view.
        previous: The metadata files before it, oldest first, as far as it names them.
    """

    location: str
    uuid: str
    snapshot_id: int | None
    previous: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The name of the metadata file."""
        return name_of(self.location)


@dataclass(frozen=True, slots=True)
class IcebergCatalog:
    """The catalog of a lakehouse, in this process's JVM."""

    name: str
    _jvm: Any = field(repr=False)
    _catalog: Any = field(repr=False)
    _io: Any = field(repr=False)

    @classmethod
    def of(cls, spark: SparkSession, lakehouse: Lakehouse) -> IcebergCatalog:
        """The catalog of the session.

        Raises:
            EnvironmentUnfitError: The session is one of Spark Connect.
        """
        if over_connect(spark):
            raise EnvironmentUnfitError(
                where=f"catalog {lakehouse.catalog}",
                expected="a Spark of this process",
                found="a server of Spark Connect",
                next_step="Back up and restore with a Spark runtime of the kind local or master.",
            )
        jvm: Any = spark._jvm  # noqa: SLF001
        of: Any = jvm.org.apache.iceberg
        session = spark._jsparkSession  # noqa: SLF001
        catalog = of.spark.Spark3Util.loadIcebergCatalog(session, lakehouse.catalog)
        prefix = f"spark.sql.catalog.{lakehouse.catalog}."
        properties = jvm.java.util.HashMap()
        for name, text in lakehouse.spark_configuration().items():
            if name.startswith(prefix):
                properties.put(name.removeprefix(prefix), text)
        io = of.CatalogUtil.loadFileIO(
            properties.get("io-impl") or "org.apache.iceberg.io.ResolvingFileIO",
            properties,
            session.sessionState().newHadoopConf(),
        )
        return cls(lakehouse.catalog, jvm, catalog, io)

    def namespaces(self) -> dict[str, dict[str, str]]:
        """The properties of each namespace, by its name; those within others too."""
        found: dict[str, dict[str, str]] = {}
        waiting = list(self._catalog.listNamespaces())
        while waiting:
            each = waiting.pop()
            name = ".".join(each.levels())
            if name not in found:
                found[name] = dict(self._catalog.loadNamespaceMetadata(each))
                waiting.extend(self._catalog.listNamespaces(each))
        return dict(sorted(found.items()))

    def tables(self, namespace: str) -> tuple[str, ...]:
        """The tables of a namespace, `namespace.table`."""
        return self._names(self._catalog.listTables(self._namespace(namespace)))

    def views(self, namespace: str) -> tuple[str, ...]:
        """The views of a namespace; none where the catalog keeps no views."""
        if not self._keeps_views:
            return ()
        return self._names(self._catalog.listViews(self._namespace(namespace)))

    def table(self, name: str) -> Pointer | None:
        """What the catalog has for a table; None: it has none of that name.

        Raises:
            Py4JJavaError: It has one, and its metadata can't be read.
        """
        try:
            loaded = self._catalog.loadTable(self._identifier(name))
        except Py4JJavaError as error:
            if _is_absence(error):
                return None
            raise
        return _pointer(loaded.operations().current())

    def view(self, name: str) -> Pointer | None:
        """What the catalog has for a view; as `table`."""
        try:
            loaded = self._catalog.loadView(self._identifier(name))
        except Py4JJavaError as error:
            if _is_absence(error):
                return None
            raise
        metadata = loaded.operations().current()
        return Pointer(metadata.metadataFileLocation(), metadata.uuid(), None)

    def create_namespace(self, name: str, properties: Mapping[str, str]) -> None:
        """Create a namespace; of one that is there, only its location is set, if it is another."""
        namespace = self._namespace(name)
        given = self._jvm.java.util.HashMap()
        if self._catalog.namespaceExists(namespace):
            location = properties.get("location")
            now = self._catalog.loadNamespaceMetadata(namespace).get("location")
            if location is not None and now != location:
                given.put("location", location)
                self._catalog.setProperties(namespace, given)
            return
        for each, text in properties.items():
            given.put(each, text)
        self._catalog.createNamespace(namespace, given)

    def point_table_to(self, name: str, location: str, *, instead: bool) -> None:
        """Have the catalog know a table by that metadata file, `instead` of what it has now."""
        identifier = self._identifier(name)
        if instead:
            purge = False
            self._catalog.dropTable(identifier, purge)
        self._catalog.registerTable(identifier, location)

    def point_view_to(self, name: str, location: str, *, instead: bool) -> None:
        """As `point_table_to`, of a view."""
        identifier = self._identifier(name)
        if instead:
            self._catalog.dropView(identifier)
        self._catalog.registerView(identifier, location)

    def read(self, location: str) -> bytes:
        """The octets of a file."""
        stream = self._io.newInputFile(location).newStream()
        streams = self._jvm.org.apache.iceberg.relocated.com.google.common.io.ByteStreams
        try:
            return bytes(streams.toByteArray(stream))
        finally:
            stream.close()

    def write(self, location: str, content: bytes) -> None:
        """Write a file, in place of a damaged one if there is one."""
        stream = self._io.newOutputFile(location).createOrOverwrite()
        try:
            stream.write(content)
        finally:
            stream.close()

    def text(self, location: str) -> str:
        """The JSON of a metadata file."""
        return _text(location, self.read(location))

    def rewrite_avro(self, location: str, new: str, change: Callable[[Any], None]) -> int:
        """Write an Avro file once more with each record changed; the octets of the new one.

        Args:
            location: The file to read.
            new: The file to write.
            change: Changes a record, which is one of Avro's generic ones.
        """
        avro = self._jvm.org.apache.iceberg.shaded.org.apache.avro
        records = avro.file.DataFileStream(
            self._io.newInputFile(location).newStream(), avro.generic.GenericDatumReader()
        )
        try:
            schema = records.getSchema()
            writer = avro.file.DataFileWriter(avro.generic.GenericDatumWriter(schema))
            codec = records.getMetaString("avro.codec") or "null"
            writer.setCodec(avro.file.CodecFactory.fromString(codec))
            for key in records.getMetaKeys():
                if not key.startswith("avro."):
                    writer.setMeta(key, records.getMeta(key))
            writer.create(schema, self._io.newOutputFile(new).createOrOverwrite())
            try:
                while records.hasNext():
                    record = records.next()
                    change(record)
                    writer.append(record)
            finally:
                writer.close()
        finally:
            records.close()
        return int(self._io.newInputFile(new).getLength())

    def has(self, location: str) -> bool:
        """Whether there is such a file."""
        return bool(self._io.newInputFile(location).exists())

    def metadata(self, location: str) -> Pointer | None:
        """What a metadata file says; None: it is gone, or no metadata."""
        try:
            parser = self._jvm.org.apache.iceberg.TableMetadataParser
            return _pointer(parser.read(self._io, location))
        except Py4JJavaError:
            return None

    def later_metadata(self, location: str) -> Iterator[Pointer]:
        """The readable metadata files beside one whose number is above its own."""
        folder, _, file = location.rpartition("/")
        number = number_of(file)
        if number is None:
            return
        for each in self._listed(f"{folder}/"):
            name = name_of(each)
            if (found := number_of(name)) is not None and found > number:
                pointer = self.metadata(f"{folder}/{name}")
                if pointer is not None:
                    yield pointer

    def missing_files(self, location: str, content: bytes | None = None) -> list[str]:
        """The files of what readers of that metadata see which are not there, by name.

        They are compared with one listing of the table's directory; a file elsewhere is asked for.

        Args:
            location: The address of the metadata file.
            content: Its octets, where it is not there itself.
        """
        of = self._jvm.org.apache.iceberg
        metadata = location
        if content is not None:
            metadata = of.TableMetadataParser.fromJson(location, _text(location, content))
        table = of.BaseTable(of.StaticTableOperations(metadata, self._io), "restored")
        snapshot = table.currentSnapshot()
        if snapshot is None:
            return []
        there = {_plain(each) for each in self._listed(f"{table.location().rstrip('/')}/")}

        def is_missing(path: str) -> bool:
            return _plain(path) not in there and not self.has(path)

        needed = [ref.snapshotId() for ref in table.refs().values()]
        lists = sorted({table.snapshot(each).manifestListLocation() for each in needed})
        missing = [each for each in lists if is_missing(each)]
        if snapshot.manifestListLocation() in missing:
            return missing
        manifests = [each.path() for each in snapshot.allManifests(self._io)]
        gone = [each for each in manifests if is_missing(each)]
        if gone:
            return missing + gone
        return missing + sorted({each for each in _files(table) if is_missing(each)})

    def _listed(self, prefix: str) -> list[str]:
        found = self._io.listPrefix(prefix).iterator()
        listed = []
        while found.hasNext():
            listed.append(found.next().location())
        return listed

    @property
    def _keeps_views(self) -> bool:
        # Iceberg's jar was added when Spark started: only its own class loader knows it.
        loader, initialize = self._catalog.getClass().getClassLoader(), False
        of = self._jvm.java.lang.Class.forName
        kind = of("org.apache.iceberg.catalog.ViewCatalog", initialize, loader)
        return bool(kind.isInstance(self._catalog))

    def _names(self, identifiers: Any) -> tuple[str, ...]:
        return tuple(sorted(each.toString() for each in identifiers))

    def _identifier(self, name: str) -> Any:
        return self._jvm.org.apache.iceberg.catalog.TableIdentifier.parse(name)

    def _namespace(self, name: str) -> Any:
        levels = name.split(".")
        array = self._jvm.java.lang.reflect.Array.newInstance(
            self._jvm.java.lang.Class.forName("java.lang.String"), len(levels)
        )
        for position, each in enumerate(levels):
            array[position] = each
        return self._jvm.org.apache.iceberg.catalog.Namespace.of(array)


def name_of(location: str) -> str:
    """The last part of an address."""
    return location.rpartition("/")[2]


def number_of(file: str) -> int | None:
    """The number in the name of a metadata file: how many commits came before it."""
    found = _VERSION.match(file)
    return None if found is None else int(found[1])


def in_order_of_backup(names: Sequence[str], ledgers: str) -> list[str]:
    """Names of tables such that what one refers to is read after it.

    A history names a snapshot of its kept events, and ledgers tell of histories.
    """

    def place(name: str) -> tuple[int, str]:
        if name.rpartition(".")[0] == ledgers:
            return 2, name
        return int(name.endswith(KEPT_EVENTS)), name

    return sorted(names, key=place)


KEPT_EVENTS = "__kept_events"


def _files(table: Any) -> Iterator[str]:
    """The data files of what readers see, and the files of their deleted rows."""
    tasks = table.newScan().planFiles()
    try:
        found = tasks.iterator()
        while found.hasNext():
            task = found.next()
            yield task.file().location()
            for each in task.deletes():
                yield each.location()
    finally:
        tasks.close()


def _pointer(metadata: Any) -> Pointer:
    snapshot = metadata.currentSnapshot()
    return Pointer(
        metadata.metadataFileLocation(),
        metadata.uuid(),
        None if snapshot is None else snapshot.snapshotId(),
        tuple(each.file() for each in metadata.previousFiles()),
    )


def _text(location: str, content: bytes) -> str:
    """The JSON of a metadata file, which Iceberg may have compressed."""
    packed = location.endswith((".gz.metadata.json", ".metadata.json.gz"))
    return (gzip.decompress(content) if packed else content).decode()


def _plain(location: str) -> str:
    """An address without the ways in which one file of this machine can be written."""
    return _FILE.sub("/", location)


def _is_absence(error: Py4JJavaError) -> bool:
    return error.java_exception.getClass().getSimpleName() in _ABSENT
