"""Addresses without what may be a secret in them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

MASK = "***"
LONGEST_PLAIN_PATH_PART = 15


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
