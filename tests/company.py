"""An invented company for whoever runs Trunkline in a process: the program, its settings, and a clean environment."""

import base64
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

TRUNKLINE = Path(sys.executable).with_name("trunkline")
TENANT = 1_000_001
# Reading the system's certificates takes longer than many a test: every client here shares what was read once.
TLS = ssl.create_default_context()
HTTP = httpx.Client(verify=TLS, timeout=30, limits=httpx.Limits(max_keepalive_connections=0))
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"an invented webhook secret").decode()
SECRETS = {
    "TEST_CLIENT_SECRET": "cs1.example-secret",
    "TEST_APP_KEY": "ak1.example",
    "TEST_AMI_SECRET": "ami-example",
    "TEST_WEBHOOK_SECRET": WEBHOOK_SECRET,
}
TENANT_TOML = """
[[tenants]]
id = {id}
name = "{name}"
timezone = "America/Toronto"

[tenants.servicetitan]
environment = "{sandbox}"
client_id = "cid.example"
client_secret = "env:TEST_CLIENT_SECRET"
app_key = "env:TEST_APP_KEY"
"""
WEBHOOK_TOML = """
[[tenants.phone_systems]]
account = "{account}"
system = "webhook"
secrets = ["env:TEST_WEBHOOK_SECRET"]
"""
ASTERISK_TOML = """
[[tenants.phone_systems]]
account = "front-desk"
system = "asterisk"
host = "127.0.0.1"
port = {port}
username = "trunkline"
secret = "env:TEST_AMI_SECRET"
"""


def environment(**more: str) -> dict[str, str]:
    """Nothing of whoever runs the tests leaks into the process."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("TRUNKLINE_", "DATABASE_URL"))}
    return {**ours, **SECRETS, **more}


class Unlimited:
    """A limiter that lets every request go at once, and keeps whose it was."""

    def __init__(self) -> None:
        self.tenants: list[int] = []

    @asynccontextmanager
    async def turn(self, tenant_id: int) -> AsyncIterator[None]:
        """Go."""
        self.tenants.append(tenant_id)
        yield
