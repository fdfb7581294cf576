"""The ways a notification leaves the host, one a module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from semsupervisor.alerts.receivers.email import EmailSender
from semsupervisor.alerts.receivers.webhook import WebhookSender
from semsupervisor.alerts.sending import Fanout, Sender
from semsupervisor.kit.clock import Clock
from semsupervisor.settings.model import EmailReceiver, Receiver
from semsupervisor.systems.connecting import Trust
from semsupervisor.systems.http import HttpClient


def build(receivers: Mapping[str, Receiver], http: HttpClient, clock: Clock) -> dict[str, Sender]:
    """Return the senders of all receivers that are switched on, by the names of their queues.

    Mail to several recipients gets a queue for each, and a Fanout under the receiver's own name. With one recipient
    its sender has both names, so that what was queued before the others were taken off the list still goes out.
    """
    trust = Trust()
    senders: dict[str, Sender] = {}
    for name, receiver in receivers.items():
        if not receiver.enabled:
            continue
        if isinstance(receiver, EmailReceiver):
            senders.update(_mail(name, receiver, clock, trust))
        else:
            senders[name] = WebhookSender(name, receiver, http, clock)
    return senders


def _mail(name: str, receiver: EmailReceiver, clock: Clock, trust: Trust) -> Iterator[tuple[str, Sender]]:
    if len(receiver.to) == 1:
        only = EmailSender(name, receiver, receiver.to[0], clock, trust)
        yield name, only
        yield f"{name}/{receiver.to[0]}", only
    else:
        each = tuple(EmailSender(f"{name}/{address}", receiver, address, clock, trust) for address in receiver.to)
        yield name, Fanout(name, each)
        yield from ((sender.name, sender) for sender in each)
