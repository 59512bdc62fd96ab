"""Whether the tests run as `make test-nightly` starts them: with all that takes long."""

from __future__ import annotations

from hypothesis import settings

AT_NIGHT = settings.get_current_profile_name() == "nightly"
