"""Where Python's workers have PySpark from."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pyarrow as pa
import pyspark
import pytest

from blocks.spark.python_worker_daemon import without_archives
from tasks.transforms.arrow_udf import by_batch

PACKAGE = Path(pyspark.__file__).parent
SITE = sysconfig.get_path("purelib")
OWN = [str(PACKAGE / "python" / "lib" / "pyspark.zip"), "/x/py4j-0.10.9.9-src.zip"]
ROOT = Path(__file__).parents[3]
CORE = str(PACKAGE / "jars" / "spark-core_2.13-4.1.4.jar")
CHANGING = """
import importlib, os, sys, zipfile, zipimport
from blocks.spark.python_worker_daemon import read_changed_archives_only

reads, original = [], zipimport._read_directory
zipimport._read_directory = lambda path: reads.append(path) or original(path)
read_changed_archives_only()
archive = os.path.join(sys.argv[1], "some.zip")


def put(name):
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(name + ".py", "")


put("first_of_ours")
sys.path.insert(0, archive)
import first_of_ours
importlib.invalidate_caches()
del reads[:]
importlib.invalidate_caches()
importlib.invalidate_caches()
put("second_of_ours")
before = len(reads)
importlib.invalidate_caches()
import second_of_ours
print(1 - before, len(reads), len([first_of_ours, second_of_ours]))
"""


def test_the_archives_go_where_their_folder_is_there_and_nothing_else_does():
    path = ["/mine", *OWN, "/files", CORE, "/my/packages.zip", "/my/python.jar", SITE]

    assert without_archives(path) == ["/mine", "/files", "/my/packages.zip", "/my/python.jar", SITE]


@pytest.mark.parametrize(
    "path",
    [
        ["/opt/spark/python/lib/pyspark.zip", *OWN[1:], SITE],
        [*OWN, CORE, "/without/pyspark"],
        ["/mine", SITE],
    ],
    ids=["another Spark's archive", "no folder", "no archive"],
)
def test_a_path_stays_as_it_is(path):
    assert without_archives(path) == path


def test_a_worker_has_pyspark_from_its_folder_and_reads_an_archive_once(spark):
    def told(rows: pa.Array) -> pa.Array:
        import sys
        import zipimport

        if not hasattr(zipimport, "reads"):
            zipimport.reads, original = [], zipimport._read_directory
            zipimport._read_directory = lambda path: zipimport.reads.append(path) or original(path)
        found, zipimport.reads[:] = len(zipimport.reads), []
        return pa.array([f"{sys.modules['pyspark'].__file__} {found}"] * len(rows))

    asked = spark.range(0, 1, 1, 1).select(by_batch(told, "string")("id"))
    *_, last = [asked.collect()[0][0] for _ in range(4)]

    assert last == f"{PACKAGE / '__init__.py'} 0"


def test_an_archive_that_changed_is_read_again(tmp_path):
    """In an interpreter of its own, which nothing patches but the daemon's code."""
    run = subprocess.run(
        [sys.executable, "-c", CHANGING, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (run.stdout, run.stderr) == ("1 1 2\n", "")
