"""Zoom's REST API, as far as a phone system is asked: sign-in, call history in pages, recordings and transcripts."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from litestar import Litestar

from trunkline.sandbox.phones.rest import AnyRequest, AnyResponse, lookalike, shown

LIFE_S = 3599
LOGIN = f"Basic {b64encode(b'client-0001:not-a-real-client-secret').decode()}"


@dataclass
class ZoomRest:
    """What the account holds, and what goes wrong.

    `faults` are answered, each once, before anything else is; `own_words` is the name of the list in a page; `loops`
    makes every page lead back. `recordings` are listed like `rows`; `transcripts` are their files, by the recording's
    id. `asked` is what was asked for, `signed_in` how often somebody signed in.
    """

    rows: Sequence[dict[str, Any]] = ()
    page_size: int = 2
    own_words: str = "call_logs"
    faults: list[AnyResponse] = field(default_factory=list)
    refused_tokens: set[str] = field(default_factory=set)
    loops: bool = False
    recordings: Sequence[dict[str, Any]] = ()
    transcripts: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    signed_in: int = 0

    def app(self) -> Litestar:
        """The API."""
        return lookalike(self._reply)

    async def _reply(self, request: AnyRequest) -> AnyResponse:
        if request.url.path == "/oauth/token":
            return self._sign_in(request)
        self.asked.append(shown(request))
        if self.faults:
            return self.faults.pop(0)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token != f"token-{self.signed_in}" or token in self.refused_tokens:
            return AnyResponse({"code": 124, "message": "Invalid access token."}, status_code=401)
        return self._given(request, request.url.path.removeprefix("/v2/phone/"))

    def _given(self, request: AnyRequest, what: str) -> AnyResponse:
        if what == "call_history":
            return self._listed(request, self.own_words, self.rows, "start_time")
        if what == "recordings":
            return self._listed(request, "recordings", self.recordings, "date_time")
        if what == "recording/download/recording-0001":
            return AnyResponse(b"ID3 sound", status_code=200, media_type="audio/mpeg")
        file = self.transcripts.get(what.removeprefix("recording_transcript/download/"))
        if file is not None:
            return AnyResponse(file, status_code=200, media_type="application/octet-stream")
        return AnyResponse({"code": 300, "message": "No such thing."}, status_code=404)

    def _sign_in(self, request: AnyRequest) -> AnyResponse:
        asked = (request.query_params.get("grant_type"), request.query_params.get("account_id"))
        known = request.headers.get("authorization") == LOGIN and asked == ("account_credentials", "account-0001")
        if request.method != "POST" or not known:
            return AnyResponse({"reason": "Invalid client_id or client_secret"}, status_code=400)
        self.signed_in += 1
        given = {"access_token": f"token-{self.signed_in}", "token_type": "bearer", "expires_in": LIFE_S}
        return AnyResponse(given, status_code=200)

    def _listed(self, request: AnyRequest, name: str, rows: Sequence[dict[str, Any]], begins: str) -> AnyResponse:
        asked = request.query_params
        begin, end = asked["from"][:10], asked["to"][:10]  # whole days, as the bounds may be meant
        found = [row for row in rows if begin <= row[begins][:10] <= end]
        first = int(asked.get("next_page_token", "").removeprefix("page-") or 0)
        last = first + min(int(asked["page_size"]), self.page_size)
        further = "page-0" if self.loops else (f"page-{last}" if last < len(found) else "")
        page = {name: found[first:last], "next_page_token": further, "total_records": len(found)}
        return AnyResponse(page, status_code=200)
