#!/bin/sh
# The JSON Schema of the package open-data-contract-standard 3.2.0 refuses every column that does
# not say a logicalType: "'map' is a required property".
#
# Versions: open-data-contract-standard 3.2.0, jsonschema 4.26.0.
# Expected: a column of name and physicalType is valid. The standard calls only the name required,
#   and the package's own pydantic model takes the contract.
# Happens: the schema's `if` asks for the logicalType "map" without requiring that there is one, so
#   it holds where there is none, and its `then` requires `map`. The schemas of 3.1.0 and 3.2.0 that
#   datacontract-cli 1.2.8 brings along accept the column.
#
# Run: sh findings/odcs_schema_map_without_logical_type.sh
# Needs Python 3.10 or newer with venv, and a way to PyPI; no Java. Everything is put into a
# temporary folder that is removed at the end.
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
  'open-data-contract-standard==3.2.0' 'jsonschema==4.26.0'

venv/bin/python - <<'PYTHON'
import json
import sys
from importlib import resources

import jsonschema
from open_data_contract_standard.model import OpenDataContractStandard

file = resources.files("open_data_contract_standard").joinpath("schema.json")
schema = json.loads(file.read_text(encoding="utf-8"))
columns = {
    "name and physicalType": {"name": "id", "physicalType": "BIGINT"},
    "with a logicalType": {"name": "id", "physicalType": "BIGINT", "logicalType": "integer"},
}
seen = {}
for name, column in columns.items():
    contract = {
        "apiVersion": "v3.2.0", "kind": "DataContract", "id": "one", "version": "1.0.0",
        "status": "active", "schema": [{"name": "one", "properties": [column]}],
    }
    OpenDataContractStandard.model_validate(contract)
    seen[name] = [
        error.message for error in jsonschema.Draft201909Validator(schema).iter_errors(contract)
    ]

expected = {"name and physicalType": [], "with a logicalType": []}
stated = {**expected, "name and physicalType": ["'map' is a required property"]}
print("expected:", expected, "\nstated:  ", stated, "\nseen:    ", seen)
if seen != stated:
    print("CHANGED: the behaviour is no longer as this script states it.", file=sys.stderr)
    raise SystemExit(3)
print("As stated.")
PYTHON
