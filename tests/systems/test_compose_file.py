"""What a compose file wants, as far as its lines tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsupervisor.systems.compose_file import wanted

ORDINARY = """---
# the stack
version: "3.8"
x-logging: &logging
  driver: json-file

services:
  semstreams:   # the program
    image: semstreams:latest
    depends_on: {nats: {condition: service_healthy}}
    ports:
    - "8080:8080"
    logging: *logging
    command: |
      scale: 7
      services:
    deploy:
      resources:
        limits: {memory: 512M}
      replicas: 3

  'nats':
    image: "nats:2.14  # not a comment to YAML, and of no account here"
    scale: 2
  debug: &debug
    profiles: [debugging]
    image: busybox
volumes:
  nats-data:
"""


def test_an_ordinary_file_is_read() -> None:
    """Each service with its number of containers; what stands deeper, or in other chapters, is no service."""
    assert wanted(ORDINARY) == {"semstreams": 3, "nats": 2, "debug": None}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing yet\n",
        "volumes:\n  data:\n",
        "services:\n",
        "services: {app: {image: a}}\n",
        '{"services": {"app": {}}}',
        "include: [other.yaml]\nservices:\n  app:\n    image: a\n",
        "services:\n  <<: *others\n  app:\n    image: a\n",
        "services:\n    app:\n        image: a\n  web:\n    image: b\n",
        "services:\n\tapp:\n\t\timage: a\n",
        "services:\n  app:\n    image: a\n---\nservices:\n  web:\n    image: b\n",
    ],
)
def test_a_file_of_another_kind_tells_nothing(text: str) -> None:
    """Flow style, services from elsewhere, tabs, several documents, or no services at all."""
    assert wanted(text) is None


@pytest.mark.parametrize(
    ("service", "count"),
    [
        ("    image: a", 1),
        ("    scale: 0", 0),
        ('    scale: "4"', 4),
        ("    scale: ${WORKERS:-2}", None),
        ("    deploy: {replicas: 2}", None),
        ("    deploy:\n      replicas: ${WORKERS}", None),
        ("    deploy:\n      mode: replicated", 1),
        ("    deploy:\n      <<: *many", None),
        ("    <<: *base\n    image: a", None),
        ("    extends: base", None),
        ("    profiles:\n    - extra", None),
        ("", None),
    ],
)
def test_how_many_is_read_or_open(service: str, count: int | None) -> None:
    """A plain number is read, one container is usual, and what stands elsewhere leaves it open."""
    assert wanted(f"services:\n  app:\n{service}\n  other:\n    image: b\n") == {"app": count, "other": 1}


def test_a_service_that_stands_for_another_leaves_it_open() -> None:
    """How many an alias means is not followed up."""
    assert wanted("services:\n  app: *base\n") == {"app": None}


@given(st.text(alphabet="services:\n \t-#&*<{}[]'\"a1|>", max_size=200))
def test_no_text_is_too_strange(text: str) -> None:
    """Whatever a file holds, it is read or tells nothing."""
    told = wanted(text)
    assert told is None or all(name for name in told)
