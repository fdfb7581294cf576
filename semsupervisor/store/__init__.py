"""The state database: open, check, migrate, one writer, transactions."""
