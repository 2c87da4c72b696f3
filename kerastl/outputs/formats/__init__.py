"""One module an export format, named like it: writes a model and opens what was written."""
