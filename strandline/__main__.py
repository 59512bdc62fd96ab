"""`python -m strandline` is the command `strandline`."""

from __future__ import annotations

import sys

from strandline.command_line import main

sys.exit(main())
