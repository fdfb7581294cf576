"""How answers look on a terminal."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.cli import rendering
from semsupervisor.cli.rendering import Paper


class Terminal(io.StringIO):
    """A stream that says that somebody looks at it."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_colour_is_for_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or a pipe gets plain words, and so does a terminal whose user wants none."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert Paper(Terminal()).word("critical") == "\x1b[31;1mcritical\x1b[0m"
    assert Paper(Terminal()).word("levitating") == "levitating"
    assert Paper(io.StringIO()).word("critical") == "critical"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Paper(Terminal()).word("critical") == "critical"
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert Paper(Terminal()).word("critical") == "critical"


@pytest.mark.parametrize(("columns", "width"), [("20", 60), ("100", 100), ("500", 120)])
def test_a_terminals_width_is_used_within_reason(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    """Lines are as long as the terminal is wide, but never absurd; elsewhere there are 80 columns."""
    monkeypatch.setenv("COLUMNS", columns)
    assert Paper(Terminal()).width == width
    assert Paper(io.StringIO()).width == 80


def test_columns_stand_under_each_other() -> None:
    """Widths are those of what is seen, colour codes not counted."""
    paper = Paper(io.StringIO())
    lines = paper.table([["a", "\x1b[32mgreen\x1b[0m", "x"], ["long name", "b", ""]])
    assert lines == ["a          \x1b[32mgreen\x1b[0m  x", "long name  b"]
    assert paper.table([]) == []


def test_a_last_column_goes_on_below() -> None:
    """Nothing of a long one is lost, no line is too long, and what one may want to copy is not cut."""
    lines = Paper(io.StringIO()).table([["name", " ".join(["word"] * 30)], ["n", "x" * 100]])
    assert all(len(line) <= 80 for line in lines[:-1])
    assert " ".join(lines[:-1]).split() == ["name", *["word"] * 30]
    assert {line[:6] for line in lines[1:-1]} == {" " * 6}
    assert lines[-1].split() == ["n", "x" * 100]


def test_a_last_column_without_space_goes_under_the_row() -> None:
    """Where the other columns leave room for a word or two only, it takes the whole width below them."""
    lines = Paper(io.StringIO()).table([["name" * 8, "state" * 5, "word " * 12], ["n", "s", "short"]], 70)
    assert lines == [
        f"{'name' * 8}  {'state' * 5}",
        f"  {' '.join(['word'] * 12)}",
        f"n{' ' * 33}s{' ' * 26}short",
    ]


def test_a_number_stays_with_its_unit() -> None:
    """A line does not end between the two."""
    assert rendering.wrapped("it lasted for 12 s", 16) == ["it lasted for", "12 s"]
    assert rendering.wrapped("it is 44 % full, 9 GiB free", 20) == ["it is 44 % full,", "9 GiB free"]


def test_a_number_counts_its_word() -> None:
    """One is no plural."""
    assert [rendering.counted(number, "attempt") for number in (0, 1, 2)] == ["0 attempts", "1 attempt", "2 attempts"]


def test_a_line_of_a_log_is_written_to_its_end() -> None:
    """It goes on below to the column, with its spaces; an empty one stays one."""
    out = io.StringIO()
    paper = Paper(out)
    paper.verbatim(f"a  {'b' * 90}", 4)
    paper.verbatim("", 4)
    assert out.getvalue() == f"    a  {'b' * 73}\n    {'b' * 17}\n\n"


def test_a_text_is_wrapped_behind_its_beginning() -> None:
    """The lines that follow are indented to where the text began; line breaks of the text stay."""
    out = io.StringIO()
    Paper(out).hanging("12  ", "one\n" + "two " * 30)
    lines = out.getvalue().splitlines()
    assert lines[0] == "12  one"
    assert all(line.startswith("    two") for line in lines[1:])
    assert all(len(line) <= 80 for line in lines)


def test_a_chapter_has_its_label_once() -> None:
    """The label stands before the first line; without lines there is none."""
    out = io.StringIO()
    paper = Paper(out)
    paper.chapter("disks", ["/", "/data"])
    paper.chapter("nothing", [])
    assert out.getvalue() == "disks       /\n            /data\n"


@pytest.mark.parametrize(
    "evil", ["\x1b[2J\x1b[31mred", "\x9b31mred", "\x1b]0;title\x07red", "a\rred", "\x00red", "\x7fred"]
)
def test_no_escape_sequence_reaches_the_terminal(evil: str) -> None:
    """Control characters in names, values and deep inside are taken out; line breaks and tabs stay."""
    answer = {"a\x1b": [evil, {"b": f"{evil}\n\t"}], "n": 3, "none": None}
    shown = rendering.cleaned(answer)
    assert shown["n"] == 3
    assert shown["none"] is None
    assert not {char for char in json.dumps(shown, ensure_ascii=False) if ord(char) < 32 or 127 <= ord(char) < 160}
    assert shown["a"][1]["b"].endswith("red\n\t")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_is_exact_and_harmless(answer: object) -> None:
    """What is printed reads back as it was, and holds no control character but line breaks."""
    with pytest.MonkeyPatch.context() as patch:
        out = io.StringIO()
        patch.setattr("sys.stdout", out)
        rendering.print_json(answer)
        rendering.print_json_line(answer)
    text = out.getvalue()
    whole, line = text[: text.rindex("\n", 0, -1)], text.splitlines()[-1] if "\n" in text[:-1] else text
    assert json.loads(line) == answer
    assert json.loads(whole) == answer
    assert not any((ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160 for char in text)


def test_ages_are_words() -> None:
    """Ages are told from the daemon's clock, not from the reader's."""
    now = "2026-03-01T12:00:00Z"
    assert rendering.age("2026-03-01T11:55:00Z", now) == "5 min"
    assert rendering.age(None, now) == ""
    assert rendering.ago("2026-02-27T12:00:00+00:00", now) == "2 d ago"
    assert rendering.ago(None, now) == "never"
    assert rendering.clock_text("2026-03-01T12:00:05.678Z") == "2026-03-01 12:00:05Z"


def test_a_text_stands_beside_its_cells_or_below_them() -> None:
    """Under each other, within the width; what does not fit is set in below, and no row moves for another's length."""
    page = io.StringIO()
    rows = [(["  a", "1"], "short"), (["  bbb", "22"], "word " * 20), (["  c", "3"], ""), (["  d", "4"], "x" * 90)]
    Paper(page).beside(rows, 6)
    assert page.getvalue().splitlines() == [
        "  a    1   short",
        "  bbb  22",
        f"      {' '.join(['word'] * 15)}",
        f"      {' '.join(['word'] * 5)}",
        "  c    3",
        "  d    4",
        f"      {'x' * 90}",
    ]


def test_long_cells_are_not_broken() -> None:
    """They only send their text below; no rows are none."""
    page = io.StringIO()
    Paper(page).beside([(["y" * 79, "1"], "text")], 4)
    Paper(page).beside([], 4)
    assert page.getvalue() == f"{'y' * 79}  1\n    text\n"
