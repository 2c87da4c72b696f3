"""The command line: one module a command, which holds its flags, one call, and what it prints."""
