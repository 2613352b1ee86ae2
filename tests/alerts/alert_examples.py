"""A receiver over a recording intake, asked in this process; and requests to start from."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
from fastapi import FastAPI

from remediations.alerts import Accepted, Limits, known_to, receiver
from remediations.model.incident import Incident
from remediations.model.site import Site
from remediations.settings import load_site, packaged

TOKEN = "t0ken-of-the-senders"


class Intake:
    """Takes incidents in as the ledger does: one open incident for a key. `fails` says which errors come first."""

    def __init__(self, *fails: Exception | None) -> None:
        self.incidents: list[Incident] = []
        self.fails = list(fails)

    def __call__(self, incidents: Sequence[Incident]) -> list[Accepted]:
        error = self.fails.pop(0) if self.fails else None
        if error is not None:
            raise error
        return [self._taken(each) for each in incidents]

    def _taken(self, incident: Incident) -> Accepted:
        joined = any(other.key == incident.key for other in self.incidents)
        self.incidents.append(incident)
        return Accepted(incident_id=incident.key[:8], joined=joined)


def site() -> Site:
    """The packaged example: HV01 and HV02 in CLUSTER1, HV03, HV04, DC1."""
    return load_site(packaged("site.yaml"))


def app(
    intake: Callable[[Sequence[Incident]], Sequence[Accepted]],
    *,
    tokens: Callable[[], tuple[str, ...]] | None = lambda: (TOKEN,),
    **options: Any,
) -> FastAPI:
    """A receiver that knows the example site."""
    return receiver(intake, tokens=tokens, check=options.pop("check", known_to(site())), **options)


def ask(application: FastAPI, method: str, path: str, *, token: str | None = TOKEN, **request: Any) -> httpx.Response:
    """One request in this process; an error that escapes the application escapes here too."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            headers = dict(request.pop("headers", {}))
            if token is not None:
                headers["Authorization"] = f"Bearer {token}"
            return await client.request(method, path, headers=headers, **request)

    return asyncio.run(send())


def post(
    application: FastAPI, path: str, body: Any, headers: Mapping[str, str] | None = None, **request: Any
) -> httpx.Response:
    """One alert; `body` is bytes or a JSON value."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(
        application,
        "POST",
        path,
        content=content,
        headers={"Content-Type": "application/json"} | dict(headers or {}),
        **request,
    )


def alert(**labels: Any) -> dict[str, Any]:
    """One firing alert of a webhook."""
    return {"status": "firing", "labels": labels, "annotations": {}, "startsAt": "2026-11-02T21:14:07Z"}


def webhook(*alerts: Any, **fields: Any) -> dict[str, Any]:
    """Alertmanager's body."""
    return {"version": "4", "receiver": "r", "alerts": list(alerts)} | fields


__all__ = ["TOKEN", "Intake", "Limits", "alert", "app", "ask", "post", "site", "webhook"]
