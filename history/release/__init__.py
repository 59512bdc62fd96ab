"""Blue-green release of a history: a green table beside the published one, compared, then promoted.

What belongs here: the green table and its record, routed views, the comparison, promotion and the
way back. What a release loads, and who decides about it, is in `tasks.release` and `flows.release`.
"""
