"""How a run's outcomes are written down and counted, what is run twice, and what a failed test leaves open."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.support import closing_line, second_look
from tests.support.commands import REPOSITORY, run
from tests.support.results import VARIABLE, Ended, Outcome, Results, read
from tests.support.second_look import FIRST, LONGEST_PAUSE_SECONDS, MOST, SECOND, wait_for_quiet, worth_it

PASSED, SKIPPED, FAILED = Outcome.PASSED, Outcome.SKIPPED, Outcome.FAILED
FLAKY = Ended(FAILED, integration=True)
OURS = ("-p", "tests.support.results", "-p", "tests.support.left_open")
OTHERS = ("-p", "no:asyncio", "-p", "no:randomly", "-p", "no:cacheprovider")

TESTS = """
import pytest

class Open:
    def __del__(self):
        raise ResourceWarning("unclosed")

@pytest.mark.integration
def test_fails():
    held = Open()
    assert not held

def test_comes_next(): ...

def test_skips():
    pytest.skip("not here")

@pytest.fixture
def broken():
    yield
    raise OSError

@pytest.mark.integration
def test_fails_at_its_end(broken): ...
"""


def written(folder: Path, name: str, results: Results) -> None:
    """Write outcomes as a run does."""
    (folder / name).write_bytes(msgspec.json.encode(results))


def test_outcomes_are_written_down(tmp_path: Path) -> None:
    """Each test counts once, by its worst part; what a failed one left open fails no other, and is said."""
    file = tmp_path / "test_some.py"
    file.write_text(TESTS)
    (tmp_path / "test_broken.py").write_text("import no_such_module")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = integration\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", *OURS, *OTHERS, "--continue-on-collection-errors", str(tmp_path)]
    environment = {VARIABLE: str(tmp_path / FIRST), "PYTHONPATH": str(REPOSITORY)}
    done = run(command, environment=environment, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert VARIABLE not in os.environ
    assert read(tmp_path / FIRST) == {
        "test_broken.py": Ended(FAILED),
        "test_some.py::test_fails": FLAKY,
        "test_some.py::test_comes_next": Ended(PASSED),
        "test_some.py::test_skips": Ended(SKIPPED),
        "test_some.py::test_fails_at_its_end": FLAKY,
    }
    assert "test_fails failed, and left open: <function Open.__del__" in done.stdout


@pytest.mark.parametrize(
    ("results", "pytest_code", "again"),
    [
        ({"a": FLAKY, "b": Ended(PASSED), "c": FLAKY}, 1, ("a", "c")),
        ({"a": FLAKY, "b": Ended(FAILED)}, 1, ()),
        ({str(number): FLAKY for number in range(MOST + 1)}, 1, ()),
        ({"a": FLAKY}, 2, ()),
        ({"a": Ended(PASSED, integration=True)}, 0, ()),
        ({}, 1, ()),
    ],
)
def test_what_is_worth_a_second_look(results: Results, pytest_code: int, again: tuple[str, ...]) -> None:
    """A few tests on real systems, if nothing else failed and the run was whole."""
    assert worth_it(results, pytest_code) == again


@pytest.mark.parametrize(
    ("second", "pytest_code", "lines", "code"),
    [
        (None, 1, ["1 passed, 3 failed, 3 skipped"], 1),
        (
            {"a": Ended(PASSED), "b": Ended(PASSED)},
            0,
            [
                "tests/run: unsteady: a passed only at its second run",
                "tests/run: unsteady: b passed only at its second run",
                "3 passed, 1 failed, 3 skipped",
            ],
            1,
        ),
        (
            {"a": Ended(PASSED), "b": Ended(FAILED)},
            1,
            ["tests/run: unsteady: a passed only at its second run", "2 passed, 2 failed, 3 skipped"],
            1,
        ),
        ({"a": Ended(SKIPPED)}, 1, ["1 passed, 3 failed, 3 skipped"], 1),
    ],
)
def test_the_last_lines(
    second: Results | None,
    pytest_code: int,
    lines: list[str],
    code: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What passed at its second run has passed, and is named; linters and what was left out are counted too."""
    written(tmp_path, FIRST, {"a": FLAKY, "b": FLAKY, "c": Ended(PASSED), "d": Ended(SKIPPED)})
    if second is not None:
        written(tmp_path, SECOND, second)
    assert closing_line.main(str(tmp_path), str(pytest_code), "1", "2") == code
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize(
    ("first", "second", "pytest_code", "line"),
    [
        ({"a": Ended(PASSED)}, {}, 0, "1 passed, 0 failed, 0 skipped"),
        ({"a": Ended(PASSED)}, {}, 2, "1 passed, 1 failed, 0 skipped"),
        ({}, {}, 4, "0 passed, 1 failed, 0 skipped"),
        ({"a": FLAKY}, {"a": Ended(PASSED)}, 3, "1 passed, 1 failed, 0 skipped"),
    ],
)
def test_pytest_itself_may_fail(
    first: Results, second: Results, pytest_code: int, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that ended with a code that no test explains has failed."""
    written(tmp_path, FIRST, first)
    written(tmp_path, SECOND, second)
    assert closing_line.main(str(tmp_path), str(pytest_code), "0", "0") == int("1 failed" in line)
    assert capsys.readouterr().out.splitlines()[-1] == line


@pytest.mark.parametrize(
    ("looks", "used"), [([90, 10, 90, 10, 10, 90], 5), ([10, 10], 2), ([90, 10], LONGEST_PAUSE_SECONDS)]
)
def test_the_pause_has_an_end(looks: list[float], used: int) -> None:
    """It is over when the machine has been quiet for two looks, and after half a minute all the same."""
    turns = itertools.cycle(looks)
    taken: list[float] = []

    def busy() -> float:
        taken.append(next(turns))
        return taken[-1]

    wait_for_quiet(busy)
    assert len(taken) == used


def test_nothing_is_run_again_when_all_passed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names are printed one a line after the pause; without any there is neither."""
    paused: list[Callable[[], float]] = []
    monkeypatch.setattr(second_look, "wait_for_quiet", paused.append)
    written(tmp_path, FIRST, {"a": Ended(PASSED)})
    assert second_look.main(str(tmp_path), "0") == 0
    assert capsys.readouterr().out == ""
    assert not paused
    written(tmp_path, FIRST, {"a": FLAKY, "b[x y]": FLAKY})
    assert second_look.main(str(tmp_path), "1") == 0
    assert capsys.readouterr().out == "a\nb[x y]\n"
    assert len(paused) == 1
