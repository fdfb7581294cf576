"""What each endpoint last answered, word for word: what an operator would see with curl, without asking again.

Kept packed and bounded; secrets are masked when it is read.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

import msgspec

from semsupervisor.errors import SupervisorError
from semsupervisor.health.masking import masked, sounds_secret
from semsupervisor.health.reaching import Get
from semsupervisor.kit.addresses import MASK, mask_target, mask_url
from semsupervisor.kit.clock import Clock, Instant
from semsupervisor.kit.text import encodable
from semsupervisor.systems.http import Answer, BodyTooLarge

LARGEST_KEPT_BYTES = 2**20
MOST_KEPT = 32
ROOT = "root"
NOT_FOUND = 404
NO_NAMES: Mapping[str, str] = MappingProxyType({})

_FASTEST = 1

Place = tuple[str, str]


class LastAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: which URL gave it (without secrets), when, and how.

    `size_bytes` is the whole body's; what is kept of it is `LARGEST_KEPT_BYTES` at most. `failure` is why asking has
    failed since, empty while it has not.
    """

    url: str
    at: Instant
    status: int
    content_type: str
    size_bytes: int
    packed: bytes
    failure: str = ""

    @property
    def cut(self) -> bool:
        """Tell whether the end of the body is missing."""
        return self.size_bytes > LARGEST_KEPT_BYTES

    def text(self) -> str:
        """Return the body as it came but for secrets; it takes a while if the body is large."""
        text = zlib.decompress(self.packed).decode("utf-8", errors="replace")
        found = masked(text)
        return text if found == text else _masked_json(text) or found


class LastAnswers:
    """The last answer of each endpoint, by the last part of its path: `varz`, `jsz`, `health`, `metrics`.

    One that is asked in several ways has a name for each other way, which is given with it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[Place, LastAnswer] = {}
        self._targets: dict[str, int] = {}

    def recording(self, get: Get, target: str, names: Mapping[str, str] = NO_NAMES) -> Get:
        """Return what asks like `get`, for one target of the settings, and keeps what it answers.

        `names` are those of questions, by their path and query, that are not to be called by the end of their path.
        Where one question gets no answer the others at that path would get none either.
        """
        shown = mask_target(target)
        self._targets.setdefault(shown, len(self._targets))

        async def ask(url: str, timeout_seconds: float) -> Answer:
            place = (_name(url, names), shown)
            try:
                answer = await get(url, timeout_seconds)
            except BodyTooLarge as error:
                self._keep(place, url, error.answer, str(error))
                raise
            except SupervisorError as error:
                self._fail(shown, url, str(error))
                raise
            self._keep(place, url, answer)
            return answer

        return ask

    def sources(self) -> Mapping[str, LastAnswer]:
        """Return the answers by name, sorted.

        Where several targets have one of that name, it belongs to the first that offers it, and the others are called
        `name@target`.
        """
        labelled: dict[str, LastAnswer] = {}
        for name, target in sorted(self._kept, key=self._rank):
            label = f"{name}@{target}" if name in labelled else name
            labelled[label] = self._kept[(name, target)]
        return dict(sorted(labelled.items()))

    def _rank(self, place: Place) -> tuple[bool, int]:
        return self._kept[place].status == NOT_FOUND, self._targets[place[1]]

    def _keep(self, place: Place, url: str, answer: Answer, failure: str = "") -> None:
        self._kept.pop(place, None)
        self._kept[place] = LastAnswer(
            url=mask_url(url),
            at=self._clock.instant(),
            status=answer.status,
            content_type=encodable(answer.headers.get("content-type", "")),
            size_bytes=len(answer.body),
            packed=zlib.compress(memoryview(answer.body)[:LARGEST_KEPT_BYTES], _FASTEST),
            failure=encodable(failure),
        )
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]

    def _fail(self, target: str, url: str, failure: str) -> None:
        path = urlsplit(mask_url(url)).path
        for place, known in self._kept.items():
            if place[1] == target and urlsplit(known.url).path == path:
                self._kept[place] = msgspec.structs.replace(known, failure=masked(encodable(failure)))


def _name(url: str, names: Mapping[str, str]) -> str:
    """Return what the answer of a URL is called."""
    asked = urlsplit(url)
    given = next((name for end, name in names.items() if f"{asked.path}?{asked.query}".endswith(end)), "")
    return given or asked.path.rstrip("/").rpartition("/")[2] or ROOT


def _masked_json(text: str) -> str | None:
    """Return a JSON text without secrets that is JSON still; None for any other text."""
    try:
        return json.dumps(_masked_value(json.loads(text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _masked_value(value: object) -> object:
    match value:
        case str():
            return masked(value)
        case dict():
            return {name: MASK if _is_secret(name, inner) else _masked_value(inner) for name, inner in value.items()}
        case list():
            return [_masked_value(inner) for inner in value]
        case _:
            return value


def _is_secret(name: str, value: object) -> bool:
    return sounds_secret(name) and isinstance(value, (str, int, float)) and not isinstance(value, bool)
