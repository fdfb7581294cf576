"""Which TCP ports of the host the demonstration takes: the usual ones, or free ones where somebody has those."""

from __future__ import annotations

import socket

import psutil

from demonstration.progress import say

LOOPBACK = "127.0.0.1"


def choose(usual: int, purpose: str) -> int:
    """Return the usual port if it is free, otherwise say who has it and return a free one."""
    if _is_free(usual):
        return usual
    port = free()
    say(f"port {usual} ({purpose}) is taken by {_owner(usual)}: using {port} instead")
    return port


def free() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def _owner(port: int) -> str:
    """Name the process that listens on a port, as far as this user may see it."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        connections = []
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.NoSuchProcess:
                break
    return "another user's process"
