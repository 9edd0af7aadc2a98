"""Subcommands of the command line, one module each; modules load no numpy before a command runs."""
