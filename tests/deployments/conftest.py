"""What is tried at night only: minutes of waiting for alerts that come when something does not."""

from __future__ import annotations

from hypothesis import settings

AT_NIGHT = settings.get_current_profile_name() == "nightly"
collect_ignore = [] if AT_NIGHT else ["test_alerts.py"]
