"""The outside world, one system a module; a vendor's types and exceptions stop here."""
