"""Single values against the types of fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from msgspec import UNSET

from semsupervisor.settings import values
from semsupervisor.settings.allowed import Allowed, between
from semsupervisor.settings.forms import Duration, Size

Few = Annotated[int, between(1, 3, "from 1 to 3")]
Two = Annotated[tuple[Few, ...], Allowed("two of them", lambda numbers: len(numbers) == 2)]


@pytest.mark.parametrize(
    ("kind", "found", "value"),
    [
        (str, "a", "a"),
        (bool, True, True),
        (int, 5, 5),
        (float, 5, 5.0),
        (float, 0.5, 0.5),
        (Duration, "1m", Duration(60)),
        (Size, "1KiB", Size(1024)),
        (Few, 3, 3),
        (Literal["a", "b"], "b", "b"),
        (Literal[True], True, True),
        (tuple[str, ...], ["a", "b"], ("a", "b")),
        (Two, [1, 1], (1, 1)),
        (str | None, "a", "a"),
        (bool | int | str, 1, 1),
        (bool | int | str, True, True),
        (tuple[Few, ...] | None, [1], (1,)),
    ],
)
def test_a_value_of_the_right_type_is_taken(kind: Any, found: object, value: object) -> None:
    """A whole number serves where any number does, and nothing else is converted."""
    read = values.read(kind, found)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (str, 5),
        (bool, 1),
        (bool, "true"),
        (int, True),
        (int, 5.0),
        (int, "5"),
        (float, True),
        (float, "5"),
        (float, float("nan")),
        (float, float("inf")),
        (Duration, 5),
        (Duration, "5"),
        (Size, 5),
        (Size, "5MB"),
        (Few, 4),
        (Few, "x"),
        (Literal["a", "b"], "c"),
        (Literal[True], 1),
        (tuple[str, ...], "a"),
        (tuple[str, ...], ["a", 1]),
        (Two, [1]),
        (str | None, 5),
        (bool | str, 5),
    ],
)
def test_a_value_of_another_type_is_refused(kind: Any, found: object) -> None:
    """Nothing is guessed: true is no number, "5" is none either."""
    assert values.read(kind, found) is UNSET


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (str, "a text in quotes"),
        (Few, "a whole number, from 1 to 3"),
        (Annotated[str, Allowed("a colour", bool)], "a colour"),
        (Literal["a", "b"], '"a" or "b"'),
        (tuple[Few, ...], "a list, each of it a whole number, from 1 to 3"),
        (Two, "two of them"),
        (bool | str | None, "true or false or a text in quotes"),
    ],
)
def test_what_is_allowed_is_said_in_words(kind: Any, words: str) -> None:
    """The words name the type only where the limit does not."""
    assert values.allowed(kind) == words


@pytest.mark.parametrize(
    ("kind", "element"),
    [(str, None), (Few, None), (tuple[str, ...], str), (Two, Few), (Two | None, Few), (int | str, None)],
)
def test_the_type_of_elements_is_known(kind: Any, element: Any) -> None:
    """A list has an element type even if it is limited or optional; nothing else has one."""
    assert values.element(kind) == element


@pytest.mark.parametrize(("kind", "fits"), [(tuple[str, ...], True), (Two, False), (Two | None, False)])
def test_a_list_may_be_wrong_as_such(kind: Any, fits: bool) -> None:
    """Whether a list fits is said without looking at the type of its elements."""
    assert values.fits(kind, ["x", "y", "z"]) is fits
