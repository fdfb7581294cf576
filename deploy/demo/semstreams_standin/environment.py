"""What the container's environment and files say about this stand-in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

VERSION_FILE = Path("/etc/semstreams/VERSION")


@dataclass(frozen=True)
class Environment:
    """The settings of one stand-in, read once at its start."""

    version: str
    dialect: str
    pretty: bool
    nats_url: str
    log_level: str
    data: Path
    config: Path
    messages_per_second: float
    metrics_names: str = "both"
    http_port: int = 8080
    metrics_port: int = 9090

    @classmethod
    def read(cls) -> Environment:
        """Read the SEMSTREAMS_* variables, with a working default for each."""
        version = VERSION_FILE.read_text().strip() if VERSION_FILE.exists() else "v0.0.0"
        return cls(
            version=version,
            dialect=os.environ.get("SEMSTREAMS_DIALECT", "shipped"),
            pretty=os.environ.get("SEMSTREAMS_JSON", "compact") == "pretty",
            nats_url=os.environ.get("SEMSTREAMS_NATS_URL", "nats://nats:4222"),
            log_level=os.environ.get("SEMSTREAMS_LOG_LEVEL", "info"),
            data=Path(os.environ.get("SEMSTREAMS_DATA", "/data")),
            config=Path(os.environ.get("SEMSTREAMS_CONFIG", "/etc/semstreams/config.json")),
            messages_per_second=float(os.environ.get("SEMSTREAMS_MESSAGES_PER_SECOND", "5")),
            metrics_names=os.environ.get("SEMSTREAMS_METRICS_NAMES", "both"),
            http_port=int(os.environ.get("SEMSTREAMS_HTTP_PORT", "8080")),
            metrics_port=int(os.environ.get("SEMSTREAMS_METRICS_PORT", "9090")),
        )
