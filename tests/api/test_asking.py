"""A request as its handler sees it."""

from __future__ import annotations

import msgspec
import pytest

from semsupervisor.api.asking import Params, Refused


class Example(Params, frozen=True, kw_only=True):
    """Some parameters."""

    limit: int = 3


def test_parameters_that_nobody_knows_are_refused() -> None:
    """A mistyped parameter is not silently left out."""
    assert msgspec.convert({"limit": "4"}, Example, strict=False).limit == 4
    with pytest.raises(msgspec.ValidationError, match="lmit"):
        msgspec.convert({"lmit": "4"}, Example, strict=False)


def test_a_refusal_reads_as_its_error() -> None:
    """In a log or a traceback the refusal is one sentence."""
    refused = Refused(404, "there is no such thing", "look elsewhere", ("one", "two"))
    assert str(refused) == "there is no such thing"
    assert (refused.status, refused.what_to_do, refused.problems) == (404, "look elsewhere", ("one", "two"))
