"""An example for each command, shown at the end of its help.

A test parses each, and runs those that need no more than what comes along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cyclopts import App

__all__ = ["EXAMPLES", "add_example"]

EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "init": "init shop --database postgresql://reader@db.example/shop --tables 'public.*'",
        "config": "config",
        "debug": "debug 'tag:hourly'",
        "plan": "plan customers",
        "run": "run 'crm_*' --select tag:hourly",
        "verify": "verify customers --repair",
        "history": "history customers 4711 --as-of 2024-05-01T12:00",
        "diff": "diff customers --from 2024-05-01 --keys",
        "status": "status --json",
        "runs": "runs customers --limit 5",
        "report": "report customers --open",
        "upkeep": "upkeep customers --dry-run",
        "maintain": "maintain --dry-run",
        "rebuild": "rebuild customers --keys 4711",
        "access": "access customers --as analyst --rows 1",
        "decrypt": "decrypt customers 4711 --as steward --reason 'complaint 17'",
        "erase": "erase customers --subject 4711 --reason 'request 17' --dry-run",
        "retention": "retention customers --apply --dry-run",
        "up": "up --port 4200",
        "deploy": "deploy",
        "down": "down",
        "quarantine": "quarantine customers --check email_valid",
        "quarantine show": "quarantine show customers --rows",
        "quarantine fix": "quarantine fix customers --key 4711 --set city=Ulm --reason 'typo'",
        "quarantine release": "quarantine release customers --all --reason 'check was too strict'",
        "quarantine discard": "quarantine discard customers --key 4711 --reason 'test data'",
        "quarantine publish": "quarantine publish customers BATCH_20240501_060000_3f2a91c0 "
        "--reason 'examined'",
        "lineage": "lineage customers email",
        "undo": "undo customers --batch BATCH_20240501_060000_3f2a91c0 --reason 'wrong file' "
        "--dry-run",
        "release": "release status customers",
        "release start": "release start customers --contract next/customers.yaml "
        "--reason 'city is tracked'",
        "release status": "release status customers",
        "release compare": "release compare customers",
        "release shift": "release shift customers 10 --reason 'compared'",
        "release promote": "release promote customers --reason 'a week at 50 %'",
        "release validate": "release validate customers",
        "release rollback": "release rollback customers --reason 'wrong city'",
        "release finish": "release finish customers --reason 'a month without complaint'",
        "hold": "hold list",
        "hold place": "hold place customers --subject customer_id=4711 --matter 'case 9' "
        "--reason 'court order'",
        "hold release": "hold release customers --subject customer_id=4711 --reason 'case closed'",
        "hold list": "hold list customers",
        "source": "source crm_db",
        "source status": "source status crm_db",
        "source reset": "source reset crm_db",
        "audit": "audit --limit 5",
        "audit show": "audit show --limit 5",
        "audit verify": "audit verify",
        "audit anchor": "audit anchor",
        "audit export": "audit export exported",
        "audit verify-export": "audit verify-export exported",
        "keys": "keys status",
        "keys status": "keys status customers",
        "keys rotate": "keys rotate customers --rewrite",
        "keys rewrap": "keys rewrap",
        "keys destroy": "keys destroy 1a2b3c4d --reason 'end of retention'",
        "backup": "backup",
        "backup make": "backup make --place /mnt/backups",
        "backup list": "backup list",
        "backup verify": "backup verify",
        "restore": "restore --reason 'the catalog was lost' --dry-run",
        "import": "import dbt target/manifest.json customers_snapshot --source crm-db",
        "import dbt": "import dbt target/manifest.json customers_snapshot --source crm-db",
        "import sqlmesh": "import sqlmesh models/customers.sql --source crm-db "
        "--table public.customers",
        "import dlt": "import dlt schemas/crm.schema.yaml customers --source crm-db "
        "--table public.customers --history crm_dlt.customers --history-source warehouse",
        "alerts": "alerts list",
        "alerts apply": "alerts apply",
        "alerts list": "alerts list",
        "alerts test": "alerts test",
        "contracts": "contracts list",
        "docs": "docs --status --open",
        "contracts new": "contracts new --source crm-db --table public.customers",
        "contracts check": "contracts check",
        "contracts list": "contracts list --select 'tag:*'",
        "contracts show": "contracts show customers --full",
        "contracts fmt": "contracts fmt --check",
        "contracts schema": "contracts schema --blocks",
        "contracts pandera": "contracts pandera customers --output customers_schema.py",
    }
)
"""By command, what to type after `strandline`."""


def add_example(app: App, typed: Sequence[str]) -> None:
    """Give the command that was typed its example, at the end of its help."""
    # Help is a command to the library: it would be the one that was typed.
    chain, apps, _ = app.parse_commands([word for word in typed if not word.startswith("-")])
    example = EXAMPLES.get(" ".join(chain))
    if example is not None:
        apps[-1].help_epilogue = f"Example: strandline {example}"
