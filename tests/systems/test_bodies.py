"""Bodies that are JSON objects, and the ones that are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.systems.bodies import (
    LONGEST_EXCERPT,
    NotOffered,
    Unreadable,
    excerpt,
    json_object,
    refuse_what_is_not_offered,
)


def test_an_object_is_read() -> None:
    """Compact and pretty JSON are the same; integers stay integers, however large."""
    assert json_object(b'{"a":18446744073709551615}') == json_object(b'{\n  "a": 18446744073709551615\n}\n')
    assert json_object(b'{"a":18446744073709551615}') == {"a": 2**64 - 1}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "the body is empty"),
        (b" \r\n", "the body is empty"),
        (b"OK", "not JSON"),
        (b"<html>502 Bad Gateway</html>", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
        (b'{"a": 1e999}', "Number out of range"),
        (b'{"a":' + b"[" * 100_000, "not JSON: maximum recursion depth"),
        (b'["a"]', "Expected `object`, got `array`"),
        (b"null", "Expected `object`, got `null`"),
        (b'"ok"', "Expected `object`, got `str`"),
    ],
)
def test_what_is_no_object_is_unreadable(body: bytes, why: str) -> None:
    """Everything else is unreadable, and the error says why."""
    with pytest.raises(Unreadable, match=why):
        json_object(body)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", ""),
        (b"OK\n", "OK"),
        (b"<html>\r\n  <b>502</b>\n</html>", "<html> <b>502</b> </html>"),
        (b"\x1b[31mred\x00\xff", "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        (b"x" * 1000, "x" * (LONGEST_EXCERPT - 1) + "…"),
    ],
)
def test_the_first_bytes_are_shown_on_one_line(body: bytes, shown: str) -> None:
    """What cannot be printed is replaced, and a long body is cut."""
    assert excerpt(body) == shown


@given(st.binary(max_size=600))
def test_any_bytes_can_be_shown(body: bytes) -> None:
    """An excerpt is always one short printable line."""
    shown = excerpt(body)
    assert shown.isprintable()
    assert len(shown) <= LONGEST_EXCERPT


@pytest.mark.parametrize(
    ("status", "content_type"),
    [(404, ""), (401, "application/json"), (403, ""), (405, ""), (200, "text/html; charset=x")],
)
def test_an_optional_endpoint_may_be_missing_in_several_ways(status: int, content_type: str) -> None:
    """Not found, not for us, and the page that somebody sends for everything: none is a fault."""
    with pytest.raises(NotOffered):
        refuse_what_is_not_offered(status, content_type)
    for well in (200, 500, 503):
        refuse_what_is_not_offered(well, "application/json")
