"""What the engine is given and what it answers, as frozen values: settings, batch, read, report."""
