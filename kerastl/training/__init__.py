"""Training the phases of a run and measuring what came of it."""
