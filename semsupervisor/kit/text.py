"""Words for people: lists, durations, near matches of a mistyped name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def listed(words: Iterable[str], last: str = "or") -> str:
    """Return `a, b or c`."""
    known = list(words)
    if len(known) < 2:
        return "".join(known)
    return f"{', '.join(known[:-1])} {last} {known[-1]}"


def nearest(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return at most three of the known names that `word` may have been meant to be, the likeliest first."""
    import difflib  # noqa: PLC0415 - for names that are mistyped alone; commands are to start quickly

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
