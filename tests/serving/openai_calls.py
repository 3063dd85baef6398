"""The official client for a server of a test, and what is common to answers."""

from __future__ import annotations

from typing import Any

import openai
from rest_client import Reply, Running


def client_of(rest: Running, *, path: str = "/v1", api_key: str = "none") -> openai.OpenAI:
    """Asks once: a test would wait for what a client tries again."""
    return openai.OpenAI(base_url=rest.url + path, api_key=api_key, max_retries=0, timeout=300)


def error_of(reply: Reply, status: int) -> dict[str, Any]:
    """What stands under "error" in a response of this status."""
    assert reply.status == status, reply.body
    assert reply.headers["Content-Type"] == "application/json"
    assert set(reply.json) == {"error"}
    error = reply.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def events_of(reply: Reply) -> list[str]:
    """The data of each server-sent event."""
    *events, rest = reply.body.decode().split("\n\n")
    assert rest == ""
    assert all(event.startswith("data: ") and "\n" not in event for event in events)
    return [event.removeprefix("data: ") for event in events]
