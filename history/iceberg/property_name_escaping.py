"""Column names in table properties, written so that Spark shows them.

`SHOW TBLPROPERTIES` hides each value that looks like a secret, or whose name does: the property of
a column called `token` or `url` could be written but not read.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "(redacted)"
_SUSPECT = re.compile(r"secret|password|token|access[.]?key|url", re.IGNORECASE)
"""What Spark hides by default: `spark.redaction.regex` and `...options.regex`."""


def escaped(name: str) -> str:
    """The name for a property: unchanged, or percent-encoded whole where Spark would hide it."""
    if _SUSPECT.search(name):
        return "".join(f"%{octet:02X}" for octet in name.encode())
    return name.replace("%", "%25")


def unescaped(text: str) -> str:
    """The name that `escaped` was given."""
    return unquote(text)
