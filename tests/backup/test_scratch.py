"""What a scratch server is told; what it does is seen in tests/integration."""

from __future__ import annotations

from semsupervisor.backup.scratch import configuration


def test_the_default_account_needs_no_other() -> None:
    """One user, with a password."""
    text = configuration({"$G"}, "secret").decode()
    assert 'authorization { user: "semsupervisor", password: "secret" }' in text
    assert "accounts" not in text
    assert configuration((), "secret").decode() == text


def test_each_account_has_a_user() -> None:
    """Named as it is, whatever that is."""
    text = configuration({'A"B', "C"}, "secret").decode()
    assert '"A\\"B" { jetstream: enabled, users: [ { user: "A\\"B", password: "secret" } ] }' in text
    assert '"C" { jetstream: enabled' in text
    assert "authorization" not in text
