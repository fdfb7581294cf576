"""Backups that are proven: taken, kept, verified, drilled, restored."""
