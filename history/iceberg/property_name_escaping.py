"""Column names in table properties, written so that Spark shows them.

`SHOW TBLPROPERTIES` hides each value that looks like a secret, or whose name does: of a column
called `token` or `url` the property could be written but not read.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "(redacted)"
_SUSPECT = re.compile(r"secret|password|token|access[.]?key|url", re.IGNORECASE)
"""What Spark hides unless it is told otherwise: `spark.redaction.regex` and `...options.regex`."""


def escaped(name: str) -> str:
    """The name for a property: as it is, or percent-encoded whole where Spark would hide it."""
    if _SUSPECT.search(name):
        return "".join(f"%{octet:02X}" for octet in name.encode())
    return name.replace("%", "%25")


def unescaped(text: str) -> str:
    """The name that was written."""
    return unquote(text)
