#!/bin/sh
# moto's Glue takes a change of a table that was made from a version that is no longer the current one:
# of two writers the second one undoes the first one's change, and neither is told.
#
# Versions: moto 5.2.5, boto3 1.43.117.
# Expected: ConcurrentModificationException, as Glue answers when VersionId ("the version ID at which to
#   update the table contents", API reference of UpdateTable) is not the current one. Iceberg's Glue
#   catalog has nothing else against lost commits.
# Happens: the change is taken, and the first writer's is gone from the table.
#
# Run: sh findings/moto_glue_version_id.sh
# Needs Python 3.10 or newer with venv, and a way to PyPI. Everything is put into a temporary folder
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
  'moto[glue]==5.2.5' 'boto3==1.43.117'

venv/bin/python - <<'PYTHON'
import sys

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws


def conclude(expected, stated, seen):
    """Print the three; end with 3 unless what was seen is what is stated."""
    print("\nexpected:", expected, "\nstated:  ", stated, "\nseen:    ", seen)
    if seen != stated:
        print("CHANGED: the behaviour is no longer as this script states it.", file=sys.stderr)
        raise SystemExit(3)
    print("As stated.")


with mock_aws():
    glue = boto3.client(
        "glue", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    glue.create_database(DatabaseInput={"Name": "d"})
    glue.create_table(DatabaseName="d", TableInput={"Name": "t", "Parameters": {"rows": "0"}})
    read = glue.get_table(DatabaseName="d", Name="t")["Table"]["VersionId"]

    def write(rows):
        """As a writer that has read the first version."""
        try:
            glue.update_table(
                DatabaseName="d", VersionId=read, TableInput={"Name": "t", "Parameters": {"rows": rows}}
            )
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "taken"

    answers = [write("first"), write("second")]
    kept = glue.get_table(DatabaseName="d", Name="t")["Table"]["Parameters"]["rows"]

conclude(
    (["taken", "ConcurrentModificationException"], "first"),
    (["taken", "taken"], "second"),
    (answers, kept),
)
PYTHON
