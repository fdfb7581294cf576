"""Bodies of answers: JSON objects, or the first bytes of what is none, for people to look at."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from semsupervisor.errors import TemporaryError
from semsupervisor.kit.text import shortened

EXCERPT_BYTES = 400
LONGEST_EXCERPT = 200
# Whoever does not have an endpoint says so in one of these ways, or sends the page that it has for everything.
NOT_HERE = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 501: "Not Implemented"}


class Unreadable(TemporaryError):
    """An answer came, and it does not say what it should: nothing follows from it about what was asked for."""


class NotOffered(TemporaryError):
    """The server answers, but does not know the endpoint (404)."""


def refuse_what_is_not_offered(status: int, content_type: str) -> None:
    """Tell an optional endpoint that is not there, or not for us, from one that fails. Raises: NotOffered."""
    if status in NOT_HERE:
        raise NotOffered(f"not offered (HTTP {status} {NOT_HERE[status]})")
    if content_type.startswith("text/html"):
        raise NotOffered("another program's page: HTML")


T = TypeVar("T")
_OBJECT = msgspec.json.Decoder(dict[str, object])


def json_object(body: bytes) -> dict[str, object]:
    """Read a body that must be one JSON object. Raises: Unreadable."""
    return json_as(_OBJECT, body)


def json_as(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Read a body that must be JSON of the decoder's type; what the type does not name is passed over.

    Raises: Unreadable.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Unreadable(f"the body is not what was asked for: {error}") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the body is not JSON: {error}" if body.strip() else "the body is empty") from error


def excerpt(body: bytes) -> str:
    """Return the first bytes of a body as one short printable line."""
    text = body[:EXCERPT_BYTES].decode("utf-8", errors="replace")
    return shortened(one_line(text), LONGEST_EXCERPT)


def one_line(text: str) -> str:
    """Return a text of somebody else's on one line, with what cannot be printed replaced."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in " ".join(text.split()))
