"""A blue-green release as flows: green loaded, a release led from start to promotion, validated."""
