"""The classifier: a backbone, its input scaling, a new head, and what each phase trains."""
