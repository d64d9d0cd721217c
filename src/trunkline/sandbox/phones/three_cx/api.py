"""The part of 3CX's own API that an API client uses: tokens, the call log, Call Control, recordings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.params import FromPath

from trunkline.sandbox.phones.three_cx.switchboard import Switchboard

CLIENT_ID, CLIENT_SECRET = "not-a-real-client", "not-a-real-secret"
RECORDING = b"RIFF\x00\x00\x00\x00WAVE"
_PERIOD = re.compile(r"periodFrom=([^,]+),periodTo=([^,]+),")


@dataclass
class ThreeCxApi:
    """What a PBX has, and how it behaves.

    `rows` are the call log's segments; `page` is the most it gives at a time, whatever it is asked for. `answers` are
    statuses, each with its headers, to give instead of the next answers. Only the last token is good. `board` is what
    Call Control tells of.
    """

    rows: Sequence[dict[str, Any]] = ()
    page: int = 100
    expires_in: int = 3600
    final_status: object = 1
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    tokens: int = 0
    board: Switchboard = field(default_factory=Switchboard)
    asked: list[str] = field(default_factory=list)
    dialled: list[tuple[str, Any]] = field(default_factory=list)

    def app(self) -> Litestar:
        """The API as an application."""

        @post("/connect/token", status_code=200)
        async def token(request: Request[Any, Any, Any]) -> Response[Any]:
            form = await request.form()
            given = (form.get("client_id"), form.get("client_secret"), form.get("grant_type"))
            if given != (CLIENT_ID, CLIENT_SECRET, "client_credentials"):
                return Response({"error": "invalid_client"}, status_code=400)
            self.tokens += 1
            named = {"token_type": "Bearer", "expires_in": self.expires_in, "access_token": f"token-{self.tokens}"}
            return Response(named)

        @get("/xapi/v1/ReportCallLogData/{function:str}")
        async def call_log(request: Request[Any, Any, Any], function: FromPath[str]) -> Response[Any]:
            return self._refusal(request) or Response(self._page(function, request))

        @get("/xapi/v1/Recordings/{name:str}")
        async def recording(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[Any]:
            return self._refusal(request) or Response(RECORDING, media_type="audio/wav")

        @post("/callcontrol/{dn:str}/makecall", status_code=200)
        async def make_call(request: Request[Any, Any, Any], dn: FromPath[str]) -> Response[Any]:
            if refusal := self._refusal(request):
                return refusal
            self.dialled.append((dn, await request.json()))
            return Response({"finalstatus": self.final_status, "reason": "", "reasontext": "No Route."})

        live = self.board.handlers(self._refusal, self._is_signed)
        return Litestar([token, call_log, recording, make_call, *live], openapi_config=None)

    def _is_signed(self, authorization: str | None) -> bool:
        return authorization == f"Bearer token-{self.tokens}"

    def _refusal(self, request: Request[Any, Any, Any]) -> Response[Any] | None:
        self.asked.append(request.url.path)
        if not self._is_signed(request.headers.get("authorization")):
            return Response({}, status_code=401)
        if self.answers:
            status, headers = self.answers.pop(0)
            return Response({}, status_code=status, headers=headers)
        return None

    def _page(self, function: str, request: Request[Any, Any, Any]) -> dict[str, Any]:
        """The segments of the time asked for, newest first."""
        period = _PERIOD.search(function)
        assert period is not None  # noqa: S101 - whoever asks without learns it from the 500
        since, until = (datetime.fromisoformat(text) for text in period.groups())
        found = [row for row in self.rows if since <= datetime.fromisoformat(row["StartTime"]) <= until]
        found.sort(key=lambda row: (row["StartTime"], row["SegmentId"]), reverse=True)
        skip, top = int(request.query_params["$skip"]), int(request.query_params["$top"])
        return {"@odata.context": "#Pbx.CallLogData", "value": found[skip : skip + min(top, self.page)]}
