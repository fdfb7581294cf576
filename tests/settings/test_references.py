"""How a secret is given."""

from __future__ import annotations

from semsupervisor.settings.references import how, references


def test_there_are_three_ways_to_give_a_secret() -> None:
    """A file, a systemd credential or an environment variable, each under its own key."""
    assert references("password") == ("password_file", "password_credential", "password_env")
    assert all(key in how("password") for key in references("password"))
