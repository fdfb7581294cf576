"""TOML to frozen structs: every default in one place, unknown keys refused."""
