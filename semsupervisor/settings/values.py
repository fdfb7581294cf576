"""One value of the file as a field's type wants it, and that type in words. Pure and strict: "5" is no number."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union

from msgspec import UNSET, UnsetType

from semsupervisor.kit.text import listed
from semsupervisor.settings.durations import DURATION_EXAMPLES, SIZE_EXAMPLES, parse_duration, parse_size
from semsupervisor.settings.forms import Duration, Size
from semsupervisor.settings.problems import found_text

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text in quotes",
    Duration: DURATION_EXAMPLES,
    Size: SIZE_EXAMPLES,
}


def read(kind: Any, found: object) -> Any:
    """Return what was found in the file as the type of its field wants it; unset when that is not possible."""
    origin = typing.get_origin(kind)
    if origin is Annotated:
        base, limit = typing.get_args(kind)
        value = read(base, found)
        return value if value is not UNSET and limit.test(value) else UNSET
    if origin is tuple:
        return _tuple(typing.get_args(kind)[0], found)
    if origin is Literal:
        same = (choice for choice in typing.get_args(kind) if type(choice) is type(found) and choice == found)
        return next(same, UNSET)
    if origin in {Union, types.UnionType}:
        values = (read(choice, found) for choice in _choices(kind))
        return next((value for value in values if value is not UNSET), UNSET)
    return _scalar(kind, found)


def allowed(kind: Any) -> str:
    """Return in words what `read` takes for a type."""
    origin = typing.get_origin(kind)
    if origin is Annotated:
        base, limit = typing.get_args(kind)
        return f"{allowed(base)}, {limit.words}" if base in {Duration, Size, int, float} else str(limit.words)
    if origin is tuple:
        return f"a list, each of it {allowed(typing.get_args(kind)[0])}"
    if origin is Literal:
        return listed(found_text(choice) for choice in typing.get_args(kind))
    if origin in {Union, types.UnionType}:
        return listed(allowed(choice) for choice in _choices(kind))
    return _WORDS[kind]


def element(kind: Any) -> Any:
    """Return the type of a list's elements; None for a type that is no list."""
    origin = typing.get_origin(kind)
    if origin is tuple:
        return typing.get_args(kind)[0]
    if origin is Annotated:
        return element(typing.get_args(kind)[0])
    if origin in {Union, types.UnionType}:
        return next((inner for choice in _choices(kind) if (inner := element(choice))), None)
    return None


def fits(kind: Any, found: list[Any]) -> bool:
    """Tell whether a list as such is allowed, whatever is wrong with its elements."""
    origin = typing.get_origin(kind)
    if origin is Annotated:
        texts = tuple(one for one in found if isinstance(one, str))
        return bool(typing.get_args(kind)[1].test(texts))
    return origin is tuple or all(fits(choice, found) for choice in _choices(kind))


def _choices(kind: Any) -> list[Any]:
    """Return the types of a union; TOML knows no null, so None only means that the key may be left out."""
    return [choice for choice in typing.get_args(kind) if choice is not type(None)]


def _tuple(kind: Any, found: object) -> tuple[Any, ...] | UnsetType:
    if not isinstance(found, list):
        return UNSET
    values = tuple(read(kind, one) for one in found)
    return UNSET if UNSET in values else values


def _scalar(kind: type, found: object) -> Any:
    if kind is Duration:
        return _parsed(parse_duration, found)
    if kind is Size:
        return _parsed(parse_size, found)
    if kind is float and type(found) in {int, float}:
        number = typing.cast("float", found)
        return float(number) if math.isfinite(number) else UNSET
    return found if type(found) is kind else UNSET


def _parsed(parse: Callable[[str], Any], found: object) -> Any:
    if not isinstance(found, str):
        return UNSET
    try:
        return parse(found)
    except ValueError:
        return UNSET
