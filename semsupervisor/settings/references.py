"""The keys by which a secret is given, such as `password_file` or `password_env` for `password`. Pure."""

from __future__ import annotations

from semsupervisor.kit.text import listed


def references(field: str) -> tuple[str, ...]:
    """Return the keys by which the secret of a field may be given."""
    return (f"{field}_file", f"{field}_credential", f"{field}_env")


def how(field: str) -> str:
    """Return in words how the secret of a field is given."""
    by_file, by_credential, by_variable = references(field)
    choices = (f'{by_file} = "/path"', f'{by_credential} = "NAME"', f'{by_variable} = "VARIABLE"')
    return f"exactly one of {listed(choices)}"
