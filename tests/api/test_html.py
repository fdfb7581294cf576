"""The tags that the status page is made of."""

from __future__ import annotations

from datetime import timedelta

from semsupervisor.api.html import Html, age, joined, listed, note, table, tag, toned
from tests.support.clock import START


def test_only_tags_make_html() -> None:
    """All other text is escaped, in attributes too."""
    assert tag("p", "<b>", tag("i", "&"), class_='a"b', data_label="x") == (
        '<p class="a&quot;b" data-label="x">&lt;b&gt;<i>&amp;</i></p>'
    )
    assert joined("<", Html("<br>"), note("&")) == '&lt;<br><p class="soft">&amp;</p>'


def test_a_state_has_its_tone() -> None:
    """Or the one that is asked for, or none."""
    assert toned("healthy") == '<span class="state good">healthy</span>'
    assert toned("healthy", "bad") == '<span class="state bad">healthy</span>'
    assert toned("<new>") == '<span class="state">&lt;new&gt;</span>'


def test_what_is_empty_is_left_out() -> None:
    """With its title."""
    assert table("Jobs", ("Job",), []) == listed("Findings", []) == ""
    assert "<li>a</li>" in listed("Findings", ["a"])
    assert '<td data-label="State">b</td>' in table("Jobs", ("Job", "State"), [("a", "b")])
    assert age(START, START + timedelta(minutes=2)) == "2 min"
