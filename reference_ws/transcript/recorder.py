"""Writes down, as a transcript, what clients and a running application say to each other."""

from __future__ import annotations

from dataclasses import replace

from starlette.types import ASGIApp, Receive, Scope, Send

from reference_ws.transcript.observer import Event, Observer
from reference_ws.transcript.steps import Connect, States, Step, Transcript

__all__ = ["Recorder"]


class Recorder:
    """ASGI middleware that records every WebSocket connection: ``recorder = Recorder(app)``, then serve ``recorder``.

    ``recorder.transcript()`` can be asked at any time. One connection is recorded without a name, several as
    ``client1``, ``client2`` and so on, in the order in which they came. A message whose ``send`` failed is not
    recorded; when it failed because the client has left, the client's ``drop`` is. HTTP requests pass through.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._observer = Observer(app, self._record)
        self._steps: list[Step] = []

    def transcript(self) -> Transcript:
        """Give what was recorded so far."""
        if sum(isinstance(step, Connect) for step in self._steps) > 1:
            return Transcript(tuple(self._steps))
        return Transcript(tuple(replace(step, client="") for step in self._steps))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection or a request, as ASGI describes it."""
        await self._observer(scope, receive, send)

    def _record(self, event: Event) -> None:
        if event.undone:
            self._steps = [step for step in self._steps if step is not event.step]
        elif not isinstance(event.step, States):
            self._steps.append(event.step)
