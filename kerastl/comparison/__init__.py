"""What finished runs have in common and where they differ, from their directories alone."""
