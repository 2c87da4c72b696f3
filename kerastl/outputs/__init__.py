"""What a run writes: its directory and its exports."""
