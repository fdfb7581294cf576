"""The scheduled checks, one kind a module."""
