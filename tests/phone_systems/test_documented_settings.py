"""The settings that the documents of phone systems show are settings."""

import re
import tomllib
from pathlib import Path

import pytest

from trunkline.phone_systems.registry import adapter

DOCUMENTS = Path(__file__).parents[2] / "docs" / "phone-systems"


@pytest.mark.parametrize("system", ["callrail", "twilio"])
def test_the_settings_shown_are_settings(system: str) -> None:
    shown = re.search(r"```toml\n(.*?)```", (DOCUMENTS / f"{system}.md").read_text(), re.DOTALL)
    assert shown
    (options,) = tomllib.loads(shown[1])["tenants"]["phone_systems"]
    account, found = options.pop("account"), options.pop("system")
    assert found == system
    assert adapter(system, account, options).account == account
