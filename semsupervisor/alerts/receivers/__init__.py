"""The ways a notification leaves the host, one a module."""
