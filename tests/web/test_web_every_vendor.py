"""Every vendor that delivers, played against the whole service over real HTTP: all it tells is there, once."""

import asyncio
import re
from collections.abc import Iterator

import msgspec
import pytest
from web_rig import Backstage, Office, serving, until

from company import TENANT, TENANT_TOML
from databases import fresh_database
from trunkline.sandbox import phones
from trunkline.sandbox.phones.sending import Line, send_calls
from trunkline.sandbox.phones.speaker import WebhookSpeaker

ADDRESS = "https://bridge.example.com/hooks"
_SECRET = re.compile(r"secret|password|token|signing")
# FreeSWITCH posts records only, 3CX asks and posts by its template: each has tests of its own over HTTP.
VENDORS = {
    name: speaker
    for name in phones.NAMES
    if name not in ("freeswitch", "3cx") and isinstance(speaker := phones.speaker(name), WebhookSpeaker)
}


class Settings:
    """A phone system of each vendor, its secrets in the environment."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.text = ""
        for name, speaker in VENDORS.items():
            self.text += f'\n[[tenants.phone_systems]]\naccount = "{name}"\nsystem = "{name}"\n'
            for option, value in speaker.options(speaker.secret, address=f"{ADDRESS}/{name}").items():
                self.text += f"{option} = {self._written(name, option, value)}\n"

    def _written(self, name: str, option: str, value: object) -> str:
        if not _SECRET.search(option):
            return _toml(value)
        values = [value] if isinstance(value, str) else list(value)  # type: ignore[call-overload]
        for place, one in enumerate(values):
            self.secrets[f"TEST_{name.upper()}_{option.upper()}_{place}"] = one
        references = [f"env:TEST_{name.upper()}_{option.upper()}_{place}" for place in range(len(values))]
        return _toml(references[0] if isinstance(value, str) else references)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {_toml(one)}' for key, one in value.items()) + " }"
    return msgspec.json.encode(value).decode()


@pytest.fixture(scope="module")
def shop(backstage: Backstage, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A company that has them all."""
    settings = Settings()
    text = TENANT_TOML.format(id=TENANT, name="Example Plumbing", sandbox=backstage.servicetitan.base_url)
    folder = tmp_path_factory.mktemp("every") / "data"
    with (
        fresh_database(postgres) as url,
        serving(folder, text + settings.text, url, **settings.secrets) as running,
    ):
        yield running


@pytest.mark.parametrize("name", VENDORS)
def test_what_a_vendor_delivers_is_there_each_call_once(shop: Office, name: str) -> None:
    speaker = VENDORS[name]
    line = Line(f"{shop.base_url}/hooks/{name}", speaker.secret, f"{ADDRESS}/{name}", pace=0.0)
    count = len(speaker.scenarios)
    sent = asyncio.run(send_calls(speaker, line, count, first_serial=7000, every_s=0.0))
    assert (sent.given_up, sent.acknowledged) == (0, sent.tries), sent.statuses
    counted = "select count(*), count(*) filter (where state = 'ended') from calls.calls"
    mine = f"{counted} where account = %s and merged_into is null"
    until(lambda: shop.execute(mine, name) == [(count, count)])
    assert shop.execute("select error from calls.inbox where account = %s and error is not null", name) == []
