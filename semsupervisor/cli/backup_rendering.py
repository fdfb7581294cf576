"""How snapshots look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from semsupervisor.cli.rendering import LABEL_WIDTH, Paper, ago, clock_text, counted
from semsupervisor.cli.schedule_rendering import rows
from semsupervisor.kit import amounts

Snapshot = Mapping[str, Any]
MOST_STREAMS = 50


def show_list(answer: Mapping[str, Any], paper: Paper) -> None:
    """Write all snapshots, the newest first."""
    if not answer["snapshots"]:
        paper.line(f"there is no snapshot in {answer['directory']}; take one with: semsupervisor backup now")
    for text in paper.table([_row(one, answer["now"], paper) for one in answer["snapshots"]]):
        paper.line(text)
    paper.chapter("schedules", paper.table(rows(answer["schedules"], answer["now"], paper), paper.width - LABEL_WIDTH))


def show_one(answer: Mapping[str, Any], paper: Paper) -> None:
    """Write all about one snapshot."""
    one, content = answer["snapshot"], answer["content"]
    paper.line(f"{paper.paint(one['id'], 'strong')} in {answer['directory']}: {_judged(one, paper)}")
    for text in _facts(one, content, answer["now"]):
        paper.wrapped(text, 2)
    left_out(one, paper)
    for text in one["suspicions"]:
        paper.hanging("  - ", f"suspicious: {text}")
    for damage in one["damage"]:
        paper.hanging("  - ", f"damaged: {damage}")
    if content is None:
        return
    rows = [_stream(stream) for stream in content["streams"][:MOST_STREAMS]]
    for text in paper.table(rows):
        paper.line(f"  {text}")
    if len(content["streams"]) > MOST_STREAMS:
        paper.line(f"  ({len(content['streams']) - MOST_STREAMS} more: --json)")


def left_out(one: Snapshot, paper: Paper) -> None:
    """Write what is not in a snapshot, and why."""
    for left in one["left_out"]:
        paper.hanging("  - ", f"not in it{' and missed' if left['fault'] else ''}: {left['what']}: {left['why']}")


def _row(one: Snapshot, now: str, paper: Paper) -> list[str]:
    when = ago(one["taken_at"], now) if one["taken_at"] else ""
    held = f"{counted(one['streams'], 'stream')}, {one['messages']}+ messages" if one["streams"] else ""
    said = ("pinned" if one["pinned"] is not None else "", f'"{one["note"]}"' if one["note"] else "")
    note = ", ".join(word for word in said if word)
    suspicious = paper.paint("suspicious", "bad") if one["suspicions"] else ""
    last = ", ".join(word for word in (held, suspicious, _verified(one, now), _downtime(one), note) if word)
    return [one["id"], one["kind"], when, amounts.size(one["size_bytes"]), _judged(one, paper), last]


def _judged(one: Snapshot, paper: Paper) -> str:
    """Return in a word what a snapshot is worth."""
    if one["good"]:
        return paper.paint("good", "good")
    if one["damage"]:
        return paper.paint("damaged", "bad")
    if one["problem"]:
        return paper.paint("unknown", "mild")
    if one["complete"]:
        return paper.paint("not verified", "mild")
    return paper.paint("incomplete", "bad")


def _verified(one: Snapshot, now: str) -> str:
    if one["verified_at"] is None:
        return "never verified"
    return f"verified {ago(one['verified_at'], now)} (level {one['verified_level']})"


def _facts(one: Snapshot, content: Mapping[str, Any] | None, now: str) -> Iterator[str]:
    if one["problem"]:
        yield one["problem"]
    if one["taken_at"]:
        yield f"{one['kind']}, taken {clock_text(one['taken_at'])} ({ago(one['taken_at'], now)})"
    yield f"{amounts.size(one['size_bytes'])}, {_verified(one, now)}"
    if down := _downtime(one):
        yield f"the stack was {down} for it"
    if one["note"]:
        yield f"note: {one['note']}"
    if one["pinned"] is not None:
        yield f"pinned{': ' if one['pinned'] else ''}{one['pinned']}"
    if content is not None:
        nats = f", NATS {content['nats_version']}" if content["nats_version"] else ""
        yield f"host {content['host']}{nats}, semsupervisor {content['supervisor']}"
        yield f"{counted(len(content['files']), 'file')}, {counted(len(content['streams']), 'stream')}"


def _downtime(one: Snapshot) -> str:
    seconds = one["downtime_seconds"]
    return f"down {amounts.duration(seconds)}" if seconds else ""


def _stream(stream: Mapping[str, Any]) -> list[str]:
    sequences = f"sequences {stream['first_sequence']} to {stream['last_sequence']} at least"
    consumers = counted(stream["consumers"], "consumer")
    return [
        stream["name"],
        f"{stream['messages']}+ messages",
        amounts.size(stream["size_bytes"]),
        f"{sequences}, {consumers}",
    ]
