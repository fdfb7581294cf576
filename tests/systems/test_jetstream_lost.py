"""What JetStream's API tells of losses: answers as servers of both generations give them."""

from __future__ import annotations

import pytest

from semsupervisor.systems.bodies import Unreadable
from semsupervisor.systems.jetstream_lost import parse_lost
from semsupervisor.systems.jetstream_state import Lost

STATE = '"messages":2536,"bytes":22914696,"first_seq":1,"last_seq":3000,"num_deleted":464,"deleted":[466,467]'


@pytest.mark.parametrize(
    ("lost", "found", "is_loss"),
    [
        ("", Lost(messages=0, bytes=0), False),
        (',"lost":{"msgs":null,"bytes":4191312}', Lost(messages=None, bytes=4_191_312), True),
        (',"lost":{"msgs":[3,4,9],"bytes":100}', Lost(messages=3, bytes=100), True),
        (',"lost":{"msgs":[3]}', Lost(messages=1, bytes=0), True),
        (',"lost":{"msgs":null,"bytes":0}', Lost(messages=None, bytes=0), False),
    ],
)
def test_losses_are_read_counted_or_not(lost: str, found: Lost, is_loss: bool) -> None:
    """A block whose checksum is wrong is told in bytes alone."""
    read = parse_lost(f'{{"type":"io.nats.jetstream.api.v1.stream_info_response","state":{{{STATE}{lost}}}}}'.encode())
    assert read == found
    assert bool(read) is is_loss


@pytest.mark.parametrize("body", [b"", b'{"error":{"code":404,"err_code":10059,"description":"stream not found"}}'])
def test_what_tells_of_no_stream_says_nothing_of_losses(body: bytes) -> None:
    """An answer without a state is not read as one without losses."""
    with pytest.raises(Unreadable):
        parse_lost(body)
