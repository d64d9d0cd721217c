"""Whatever is wrong is told in one sentence that says what to mend.

The exit status is 2 where it was asked or set up wrongly, and 1 where something else stands in the way.
"""

import socket
from pathlib import Path

import pytest
from cli_rig import Trunkline

from company import TENANT, TENANT_TOML

LOOKUP, SERVE = ("lookup", "4375550142"), ("serve", "--port", "0")
NOWHERE = "http://127.0.0.1:9"
GOOD = TENANT_TOML.format(id=TENANT, name="Example Plumbing", sandbox=NOWHERE)
PHONE_SYSTEM = '\n[[tenants.phone_systems]]\naccount = "main"\nsystem = "{system}"\n{options}\n'


def sentence(stderr: str) -> str:
    """What was said beside click's own usage lines."""
    told = [line for line in stderr.splitlines() if line and not line.startswith(("Usage: ", "Try '"))]
    assert len(told) == 1, stderr
    assert told[0].startswith("Error: ")
    return told[0].removeprefix("Error: ")


@pytest.mark.parametrize(
    ("command", "settings", "said"),
    [
        (
            LOOKUP,
            "",
            "No tenant is set up: add one with `trunkline tenants add`, or describe it in {folder}/trunkline.toml",
        ),
        (SERVE, "port =", "trunkline.toml cannot be read: "),
        (
            SERVE,
            GOOD.replace("env:TEST_APP_KEY", "ak1.example"),
            "Setting tenants.0.servicetitan.app_key: write env:NAME, file:/path or command:PROGRAM, so that the secret",
        ),
        (
            LOOKUP,
            GOOD + TENANT_TOML.format(id=7, name="Example Plumbing", sandbox=NOWHERE),
            "Say which tenant with --tenant: 1000001 (Example Plumbing), 7 (Example Plumbing).",
        ),
    ],
    ids=["no tenant", "broken file", "secret in the clear", "several tenants"],
)
def test_settings_that_cannot_be_used_are_told_in_a_sentence(
    trunkline: Trunkline, tmp_path: Path, command: tuple[str, ...], settings: str, said: str
) -> None:
    (tmp_path / "trunkline.toml").write_text(settings)
    ended = trunkline(*command, "--data-dir", str(tmp_path))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence(ended.stderr).startswith(said.format(folder=tmp_path))


def test_what_is_no_number_is_told_in_a_sentence(trunkline: Trunkline) -> None:
    ended = trunkline("lookup", "9" * 300, "--json")
    assert (ended.returncode, ended.stdout) == (2, "")
    told = sentence(ended.stderr)
    assert told.startswith("Invalid value for NUMBER: '")
    assert told.endswith("is not a whole phone number; write it with its area code, like 437-555-0142.")
    assert len(told) < 200


def test_a_database_that_is_not_there_is_told_in_a_sentence(trunkline: Trunkline, tmp_path: Path) -> None:
    ended = trunkline(*LOOKUP, DATABASE_URL=f"postgresql:///none?host={tmp_path}")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert sentence(ended.stderr).startswith("Cannot use the database that DATABASE_URL names: ")


def test_a_port_that_is_taken_is_told_in_a_sentence(trunkline: Trunkline) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = trunkline("serve", "--port", port)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert sentence(ended.stderr) == (
        f"Cannot listen on 127.0.0.1:{port}: address already in use; choose another with --port."
    )


@pytest.mark.parametrize(
    ("system", "options", "said"),
    [
        ("nosuch", "", "nosuch"),
        ("webhook", 'secrets = ["env:TEST_BAD"]', "Phone system main: a webhook secret is whsec_ followed by base64."),
    ],
)
def test_a_phone_system_that_cannot_be_set_up_is_told_in_a_sentence(
    trunkline: Trunkline, tmp_path: Path, system: str, options: str, said: str
) -> None:
    (tmp_path / "trunkline.toml").write_text(GOOD + PHONE_SYSTEM.format(system=system, options=options))
    ended = trunkline(*SERVE, "--data-dir", str(tmp_path), TEST_BAD="whsec_x")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert said in sentence(ended.stderr)


def test_a_servicetitan_that_refuses_us_fails_the_sync_with_the_reason(
    trunkline: Trunkline,
) -> None:
    ended = trunkline("sync", TEST_CLIENT_SECRET="wrong")
    assert (ended.returncode, ended.stdout) == (1, "")
    told = [line for line in ended.stderr.splitlines() if line.startswith("ServiceTitan refused")]
    assert len(told) == 1
    assert "customers" in told[0]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--fault", "404=1", "There is no fault '404'"),
        ("--scope", "customers", "There is no scope 'customers'; they look like tn.crm.customers:r."),
        ("--switch", "luck=1", "There is no switch 'luck'"),
        ("--clients", __file__, "does not describe clients"),
    ],
)
def test_a_sandbox_set_up_wrongly_does_not_start(trunkline: Trunkline, option: str, value: str, said: str) -> None:
    ended = trunkline("sandbox", "servicetitan", "--port", "0", option, value)
    assert ended.returncode == 2
    assert said in sentence(ended.stderr)
