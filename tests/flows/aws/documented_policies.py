"""The policies of docs/aws.md, by role."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tools.aws_double.access_policies import Policy

_PAGE = Path(__file__).parents[3] / "docs" / "aws.md"
_JSON = re.compile(r"```json\n(.*?)```", re.DOTALL)


def documented() -> dict[str, Policy]:
    """Each role's policy, by the role's name in lower case."""
    found = {}
    for part in _PAGE.read_text(encoding="utf-8").split("\n### ")[1:]:
        name, _, text = part.partition("\n")
        if (policy := _JSON.search(text)) is not None:
            role = name.strip().lower()
            found[role] = Policy.of(role, json.loads(policy[1]))
    return found
