"""Gives a stream's snapshot back to a server by the server's own request, as the official command line does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nats.aio.client import Client

CHUNK_BYTES = 512 * 1024
REQUEST_SECONDS = 10.0


async def restore(client: Client, described: Path, archive: bytes) -> dict[str, Any]:
    """Restore from a snapshot's `backup.json` and its archive; return what the server says of the stream then."""
    wanted = described.read_bytes()
    name = json.loads(wanted)["config"]["name"]
    begun = await _asked(client, f"$JS.API.STREAM.RESTORE.{name}", wanted)
    for start in range(0, len(archive), CHUNK_BYTES):
        piece = archive[start : start + CHUNK_BYTES]
        answer = await client.request(begun["deliver_subject"], piece, timeout=REQUEST_SECONDS)
        assert not answer.data, answer.data
    return await _asked(client, begun["deliver_subject"], b"")


async def _asked(client: Client, subject: str, content: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((await client.request(subject, content, timeout=REQUEST_SECONDS)).data)
    assert "error" not in answer, answer
    return answer
