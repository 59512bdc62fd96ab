"""What a run tells meanwhile and afterwards: progress, events, lineage, metrics, assets."""
