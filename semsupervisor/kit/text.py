"""Words for people: lists, durations, near matches of a mistyped name, and addresses without their secrets."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

MASK = "***"
LONGEST_PLAIN_PATH_PART = 15


def listed(words: Iterable[str], last: str = "or") -> str:
    """Return `a, b or c`."""
    known = list(words)
    if len(known) < 2:
        return "".join(known)
    return f"{', '.join(known[:-1])} {last} {known[-1]}"


def nearest(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return at most three of the known names that `word` may have been meant to be, the likeliest first."""
    return tuple(difflib.get_close_matches(word, list(known), n=3, cutoff=0.6))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `did you mean a or b?`, or nothing when no known name is near."""
    near = nearest(word, known)
    return f"did you mean {listed(near)}?" if near else ""


def about(subject: str, sentence: str) -> str:
    """Return a sentence about a subject (`kind:name`) with the subject before it, unless it names it itself."""
    return sentence if subject.partition(":")[2] in sentence else f"{subject}: {sentence}"


def shortened(text: str, most: int = 80) -> str:
    """Return at most `most` characters of a text, the last one being an ellipsis if something is missing."""
    return text if len(text) <= most else text[: most - 1] + "…"


def encodable(text: str) -> str:
    """Return a text that can be encoded: bytes that were no UTF-8 where it was read are written as escapes.

    Python keeps such bytes of headers, paths and the environment as lone surrogates, which no JSON can hold.
    """
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def encodable_texts(texts: Mapping[str, str]) -> Mapping[str, str]:
    """Return texts and their names so that they can be encoded."""
    return {encodable(name): encodable(text) for name, text in texts.items()}


def duration_text(seconds: float) -> str:
    """Return a duration for people, to two units: `2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 1:
        return "less than 1 s"
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def mask_url(url: str) -> str:
    """Return an address without what may be a secret: the user, the query's values and long parts of the path.

    Chat services put their token into the path, so that whoever reads such an address can post under its name.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    path = "/".join(MASK if len(part) > LONGEST_PLAIN_PATH_PART else part for part in parts.path.split("/"))
    query = re.sub(r"(?<==)[^&]+", MASK, parts.query) if "=" in parts.query else parts.query and MASK
    return urlunsplit((parts.scheme, _host(parts.netloc), path, query, parts.fragment and MASK))


def mask_target(target: str) -> str:
    """Return a target of a check (a URL or `container:service:port/path`) without what may be a secret in it."""
    if "://" in target:
        return mask_url(target)
    path, mark, query = target.partition("?")
    return f"{path}{mark}{re.sub(r'(?<==)[^&]+', MASK, query) if '=' in query else query and MASK}"


def mask_receiver(url: str) -> str:
    """Return scheme and host of a receiver's address: all else may be what lets anybody post to it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    path = parts.path if parts.path in {"", "/"} else f"/{MASK}"
    hidden = f"/{MASK}" if parts.query or parts.fragment else path
    return urlunsplit((parts.scheme, _host(parts.netloc), hidden, "", ""))


def _host(netloc: str) -> str:
    return f"{MASK}@{netloc.rpartition('@')[2]}" if "@" in netloc else netloc
