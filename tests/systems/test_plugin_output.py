"""What monitoring plugins print."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.systems.plugin_output import LONGEST_DATA, LONGEST_LINE, MOST_FIGURES, parse_output


@pytest.mark.parametrize(
    ("output", "line", "figures"),
    [
        (b"DISK OK - free 82% | /=2643MB;5948;5958;0;5968", "DISK OK - free 82%", {"value_bytes": 2643e6}),
        (b"NTP OK: offset 0.5 ms|offset=0.0005s;1;2", "NTP OK: offset 0.5 ms", {"offset_seconds": 0.0005}),
        (b"OK|'used space'=12% 'it''s'=3c;;", "OK", {"used_space_ratio": 0.12, "it_s_total": 3}),
        (b"PING|rta=1,5ms;100;500 pl=0%;20;60", "PING", {"rta_seconds": 0.0015, "pl_ratio": 0.0}),
        (b"OK | a=1\nmore text\nstill | b=-2\nc=3", "OK", {"a": 1, "b": -2, "c": 3}),
        (b"OK | a=U b= c=1e400 =5 d", "OK", {}),
        (b"\n\nlate line", "late line", {}),
        (b"", "", {}),
    ],
)
def test_lines_and_figures(output: bytes, line: str, figures: dict[str, float]) -> None:
    """Figures come in base units under names that say them; what is none is left out."""
    read = parse_output(output)
    assert read.line == line
    assert read.figures == pytest.approx(figures)


def test_what_is_kept_is_bounded() -> None:
    """A plugin that prints without end makes a line and a few figures."""
    read = parse_output(b"x" * 5000 + b"|" + b" ".join(b"a%d=1" % number for number in range(5000)))
    assert (len(read.line), len(read.data), len(read.figures)) == (LONGEST_LINE, LONGEST_DATA, MOST_FIGURES)


@given(st.binary(max_size=300))
def test_whatever_is_printed_is_read(output: bytes) -> None:
    """No output breaks the reader, and every figure is a number."""
    read = parse_output(b"OK |" + output)
    assert all(math.isfinite(value) for value in read.figures.values())
    assert read.line.isprintable()


@given(st.text("a='1,.eE-+ %", max_size=4000))
def test_no_output_takes_long(data: str) -> None:
    """Performance data of any form is read in one go."""
    assert len(parse_output(f"OK|{data}".encode()).figures) <= MOST_FIGURES
