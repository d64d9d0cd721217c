"""Quo's REST API, as far as a phone system is asked: webhooks, calls of both generations, numbers, conversations."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from litestar import Litestar

from trunkline.sandbox.phones.rest import AnyRequest, AnyResponse, lookalike, shown

API_KEY = "not-a-real-api-key"
VERSION = "2026-03-30"
PAGE = 2

Json = dict[str, Any]


@dataclass
class QuoRest:
    """What the workspace holds, and what goes wrong.

    `faults` are answered, each once, before anything else is; with `lost_replies` an order is carried out, and its
    answer is an error. A workspace that `is_older` knows no list of all calls. `asked` is what was asked for.
    """

    calls: Sequence[Json] = ()
    conversations: Sequence[Json] = ()
    numbers: Sequence[Json] = ()
    hooks: list[Json] = field(default_factory=list)
    is_older: bool = False
    loops: bool = False
    lost_replies: int = 0
    faults: list[AnyResponse] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    made: int = 0

    def app(self) -> Litestar:
        """The API."""
        return lookalike(self._reply)

    async def _reply(self, request: AnyRequest) -> AnyResponse:
        self.asked.append(shown(request))
        if self.faults:
            return self.faults.pop(0)
        if request.headers.get("authorization") != API_KEY:
            return _refused(401, "Unauthorized")
        if request.url.path == "/recordings/1.mp3":
            return AnyResponse(b"ID3 sound", status_code=200, media_type="audio/mpeg")
        if request.url.path.startswith("/v1/"):
            return self._older(request)
        if request.headers.get("quo-api-version") != VERSION:
            return _refused(400, "The header Quo-Api-Version is missing.")
        return await self._current(request)

    async def _current(self, request: AnyRequest) -> AnyResponse:
        path = request.url.path
        if path == "/calls" and not self.is_older:
            return self._all_calls(request)
        if path == "/webhooks" and request.method == "POST":
            return self._ordered(await request.json())
        if path == "/webhooks":
            return self._page(request, self.hooks)
        if path.startswith("/webhooks/"):
            return await self._changed(request, path.removeprefix("/webhooks/"))
        return _refused(404, "Not found")

    # Webhooks ---------------------------------------------------------------------------------------------------

    def key(self) -> str:
        """The signing key of the webhook made last."""
        return f"whsec_{base64.b64encode(f'an example of key {self.made:04}'.encode()).decode()}"

    def _ordered(self, order: Json) -> AnyResponse:
        self.made += 1
        hook = {"id": f"{self.made}", "orgId": "OR00000001", "apiVersion": VERSION, **order}
        self.hooks.append(hook)
        if self.lost_replies:
            self.lost_replies -= 1
            return _refused(502, "Bad gateway")
        return AnyResponse({"data": {**hook, "key": self.key()}}, status_code=201)

    async def _changed(self, request: AnyRequest, hook_id: str) -> AnyResponse:
        found = [hook for hook in self.hooks if hook["id"] == hook_id]
        if not found:
            return _refused(404, "Webhook not found")
        if request.method == "DELETE":
            self.hooks = [hook for hook in self.hooks if hook["id"] != hook_id]
            return AnyResponse(None, status_code=204)
        found[0].update(await request.json())
        return AnyResponse({"data": found[0]}, status_code=200)

    # Calls ------------------------------------------------------------------------------------------------------

    def _all_calls(self, request: AnyRequest) -> AnyResponse:
        asked = request.query_params
        begin, end = asked["createdAt[gte]"], asked["createdAt[lte]"]
        return self._page(request, [call for call in self.calls if begin <= call["createdAt"] <= end])

    def _older(self, request: AnyRequest) -> AnyResponse:
        asked, path = request.query_params, request.url.path
        if path == "/v1/phone-numbers":
            return AnyResponse({"data": list(self.numbers)}, status_code=200)
        if "maxResults" not in asked:
            return _refused(400, "maxResults is required.")
        if path == "/v1/conversations":
            after = asked["updatedAfter"]
            return self._page(request, [one for one in self.conversations if one["updatedAt"] > after], "nextPageToken")
        if path == "/v1/calls" and {"phoneNumberId", "participants"} <= set(asked):
            found = [
                call
                for call in self.calls
                if call["phoneNumberId"] == asked["phoneNumberId"]
                and asked["participants"] in call["participants"]
                and asked["createdAfter"] < call["createdAt"] < asked["createdBefore"]
            ]
            return self._page(request, found, "nextPageToken")
        return _refused(400, "phoneNumberId and participants are required.")

    def _page(self, request: AnyRequest, found: Sequence[Json], word: str = "nextCursor") -> AnyResponse:
        asked = request.query_params
        first = int(asked.get("after") or asked.get("pageToken") or 0)
        last = first + PAGE
        further = "0" if self.loops else (str(last) if last < len(found) else None)
        return AnyResponse({"data": found[first:last], "totalItems": 1, word: further}, status_code=200)


def _refused(status: int, message: str) -> AnyResponse:
    return AnyResponse({"message": message, "docs": "https://www.quo.com/docs"}, status_code=status)
