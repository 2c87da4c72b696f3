"""Answers for images with an export: files in a stream, and requests over HTTP."""
