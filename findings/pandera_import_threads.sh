#!/bin/sh
# Threads that import modules of pandera at the same time end with _DeadlockError, in a fresh process.
#
# Versions: pandera 0.35.0 with pandas 2.3.3, on CPython 3.10 to 3.12.
# Expected: three modules imported. Python imports "are thread-safe" by a lock for each module
#   (importlib); a thread that finds a module half imported waits for the other one.
# Happens: one of the three threads ends with `_DeadlockError: deadlock detected by
#   _ModuleLock('pandera.backends.base.builtin_checks')`, nearly always. `pandera/__init__.py` and the
#   modules that it imports import each other in a circle; a thread that asks for `pandera.config`
#   meanwhile enters the circle at another place. Importing all by one thread first avoids it.
#
# Run: sh findings/pandera_import_threads.sh
# Needs Python 3.10 to 3.12 with venv and a way to PyPI. Everything is put into a temporary folder
# (about 300 MB) that is removed at the end.
# Ends with 0 while it is as stated, with 3 when the behaviour has changed, and with anything else
# when it could not be run.
set -eu

umask 022
place=$(mktemp -d)
trap 'cd / && rm -rf "$place"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$place"

export TMPDIR="$place" PIP_ROOT_USER_ACTION=ignore
unset PYTHONPATH
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  'pandera[pandas]==0.35.0' 'pandas==2.3.3'

cat > side_by_side.py <<'PYTHON'
import sys
import threading
from importlib import import_module

names = sys.argv[1:]
gate = threading.Barrier(len(names))
failures = []


def bring(name):
    gate.wait()
    try:
        import_module(name)
    except BaseException as error:
        failures.append(type(error).__name__)


threads = [threading.Thread(target=bring, args=(name,)) for name in names]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(" ".join(failures) or "imported")
PYTHON

cat > conclude.py <<'PYTHON'
import subprocess
import sys


def seen(*names):
    """What came of ten fresh processes: every outcome that occurred."""
    command = [sys.executable, "-W", "ignore", "side_by_side.py", *names]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(10)]
    return sorted({each.stdout.strip() for each in runs})


alone = seen("pandera.pandas")
together = seen("pandera.pandas", "pandera.config", "pandera.errors")
print("\nexpected: imported, by one thread and by three")
print("stated:   by one thread imported; by three some processes with _DeadlockError")
print("seen:     by one", alone, "by three", together)
if alone != ["imported"] or not any("_DeadlockError" in each for each in together):
    print("CHANGED: the behaviour is no longer as this script states it.", file=sys.stderr)
    raise SystemExit(3)
print("As stated.")
PYTHON

venv/bin/python conclude.py
