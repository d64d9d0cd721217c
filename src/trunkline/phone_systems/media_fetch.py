"""Fetching a recording: streamed, or whole where it is short; errors classed, credentials to the vendor's host only."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

import httpx

from trunkline.phone_systems.base import Recording
from trunkline.phone_systems.errors import GivenUp, NeedsFixing, RetryLater

TIMEOUT_S = 30.0


def is_vendors(url: str, domain: str, api: httpx.URL) -> bool:
    """Whether our credentials may go to `url`: over TLS to a host of the vendor's `domain`, or to where its API is."""
    try:
        asked = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    is_own = asked.host == domain or asked.host.endswith(f".{domain}")
    return (is_own and asked.scheme == "https") or (asked.scheme, asked.netloc) == (api.scheme, api.netloc)


async def fetch_media(
    name: str, http: httpx.AsyncClient, url: str, headers: Mapping[str, str] | None = None
) -> Recording:
    """The recording at `url`, of the vendor whom sentences call `name`; `headers` hold credentials, if any.

    Redirects are followed; httpx takes the `Authorization` header off where one leads to another host.

    Raises:
        PhoneSystemError: it cannot be had.
    """
    try:
        request = http.build_request("GET", url, headers=dict(headers or {}), timeout=TIMEOUT_S)
        answer = await http.send(request, stream=True, follow_redirects=True)
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects):
        raise GivenUp(f"{name} gave an address of the recording that leads nowhere.") from None
    except httpx.HTTPError:
        raise RetryLater(f"The recording of {name} cannot be reached.") from None
    if not answer.is_success:
        await answer.aclose()
        raise _refusal(name, answer.status_code)
    media_type = answer.headers.get("content-type", "application/octet-stream").partition(";")[0].strip()
    return Recording(media_type, _chunks(name, answer))


async def whole(name: str, found: Recording, *, most: int) -> bytes:
    """What is on its way, of at most `most` bytes: a transcript, or an answer that only says where the recording is.

    Raises:
        PhoneSystemError: it broke off, or is longer.
    """
    body = b""
    try:
        async for chunk in found.chunks:
            body += chunk
            if len(body) > most:
                raise GivenUp(f"{name} sent more than {most // 1024:,} KiB for what should be short.")
    finally:
        if isinstance(found.chunks, AsyncGenerator):
            await found.chunks.aclose()
    return body


async def _chunks(name: str, answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_bytes():
            yield chunk
    except httpx.HTTPError:
        raise RetryLater(f"The recording of {name} broke off.") from None
    finally:
        await answer.aclose()


def _refusal(name: str, status: int) -> GivenUp | NeedsFixing | RetryLater:
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return NeedsFixing(f"{name} refuses the recording ({status}): check key and rights.")
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return RetryLater(f"{name} has trouble with the recording ({status}).")
    return GivenUp(f"{name} has no such recording ({status}).")
