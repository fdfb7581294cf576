"""The floor: nothing but the engine's events, and a post to the receiver for each death, at once.

usage: python -m tests.bench.follower SOCKET PROJECT PORT

No library, no state, no rule, no retry: what any program that watches this engine cannot be faster than by much.
"""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.parse import quote


async def follow(socket_path: str, project: str, port: int) -> None:
    """Follow for ever; both connections stay open."""
    filters = {"type": ["container"], "event": ["die"], "label": [f"com.docker.compose.project={project}"]}
    events, ask = await asyncio.open_unix_connection(socket_path)
    ask.write(f"GET /events?filters={quote(json.dumps(filters))} HTTP/1.1\r\nHost: docker\r\n\r\n".encode())
    await events.readuntil(b"\r\n\r\n")
    answers, post = await asyncio.open_connection("127.0.0.1", port)
    print("following", flush=True)
    while True:
        size = int(await events.readline(), 16)
        event = json.loads((await events.readexactly(size + 2))[:size])
        body = json.dumps({"id": event["Actor"]["ID"], "time_nano": event["timeNano"]}).encode()
        post.write(b"POST /floor HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await answers.readuntil(b"\r\n\r\n")


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], sys.argv[2], int(sys.argv[3])))
