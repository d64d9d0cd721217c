"""`trunkline tenants`: companies set up, tried, paused and erased from the command line, and no secret repeated."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_rig import Commands, Ended

from company import SECRETS, TENANT, TENANT_TOML
from databases import fresh_database
from trunkline.mirror.catalog import RESOURCES

OTHER = 1_000_002
NETWORK = f'[[networks]]\nname = "Example Group"\ntenants = [{TENANT}, {OTHER}]\n'

Run = Callable[..., Ended]


@pytest.fixture
def run(forks: Commands, postgres: str, tmp_path: Path) -> Iterator[Run]:
    """Runs one command in an empty installation of its own; `says` answers what it asks."""
    with fresh_database(postgres) as url:

        def run(*arguments: str, says: str = "", **variables: str) -> Ended:
            known = {"TRUNKLINE_DATA_DIR": str(tmp_path), "DATABASE_URL": url}
            return forks.run(*arguments, says=says, variables={**known, **variables})

        yield run


def adding(sandbox: str, tenant_id: int = TENANT, **options: str) -> list[str]:
    """The command that adds a company; an option that is empty is left out."""
    given = {
        "id": str(tenant_id),
        "name": "Example Plumbing",
        "environment": sandbox,
        "client-id": "cid.example",
        "client-secret": "env:TEST_CLIENT_SECRET",
        "app-key": "env:TEST_APP_KEY",
        **{name.replace("_", "-"): value for name, value in options.items()},
    }
    return ["tenants", "add", *(part for name, value in given.items() if value for part in (f"--{name}", value))]


def said(ended: Ended) -> str:
    """The one sentence of an error."""
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("Error: ")]
    return line.removeprefix("Error: ")


def test_a_company_is_added_shown_tested_copied_paused_and_erased(run: Run, sandbox: str) -> None:
    added = run(*adding(sandbox))
    assert (added.returncode, added.stderr) == (0, "")
    assert added.stdout == f"Added Example Plumbing; test its connection with: trunkline tenants test {TENANT}\n"
    assert run("tenants", "list").stdout == f"{TENANT}  Example Plumbing  (running)\n"
    shown = run("tenants", "show", str(TENANT)).stdout
    assert "Set up in: the database, secrets encrypted\n" in shown
    assert "Client id: cid.example\n" in shown
    tested = run("tenants", "test", str(TENANT))
    assert (tested.returncode, tested.stdout) == (
        0, "The connection works: ServiceTitan lets us in, and every scope that we read is there.\n",
    )  # fmt: skip
    assert run("sync").returncode == 0
    assert run("tenants", "pause", str(TENANT)).stdout == f"Tenant {TENANT} is paused.\n"
    assert run("tenants", "list").stdout == f"{TENANT}  Example Plumbing  (paused)\n"
    assert run("tenants", "resume", str(TENANT)).stdout == f"Tenant {TENANT} runs again.\n"
    erased = run("tenants", "remove", str(TENANT), says="y\n").stdout
    assert "Erase everything that Trunkline has of Example Plumbing?" in erased
    counts = dict(line.split() for line in erased.splitlines() if line.startswith(("mirror.", "ops.")))
    assert (counts["ops.tenants"], counts["mirror.customers"], counts["mirror.feeds"]) == (
        "1",
        "200",
        str(len(RESOURCES)),
    )
    assert run("tenants", "list").stdout == ""


def test_a_removal_that_is_not_confirmed_erases_nothing(run: Run, sandbox: str) -> None:
    run(*adding(sandbox))
    assert run("tenants", "remove", str(TENANT), says="n\n").returncode == 1
    assert run("tenants", "remove", str(TENANT), says="").returncode == 1
    assert run("tenants", "list").stdout == f"{TENANT}  Example Plumbing  (running)\n"
    assert run("tenants", "remove", str(TENANT), "--yes").stdout.startswith(f"Tenant {TENANT} was erased.")


def test_secrets_come_from_a_file_a_command_or_a_question_that_does_not_show_them(
    run: Run, sandbox: str, tmp_path: Path
) -> None:
    private = tmp_path / "app-key"
    private.write_text(SECRETS["TEST_APP_KEY"] + "\n")
    private.chmod(0o600)
    vault = f"command:{sys.executable} -c 'import os; print(os.environ[\"TEST_CLIENT_SECRET\"])'"
    assert run(*adding(sandbox, client_secret=vault, app_key=f"file:{private}")).returncode == 0
    assert run("tenants", "test", str(TENANT)).returncode == 0
    assert run("tenants", "remove", str(TENANT), "--yes").returncode == 0
    private.chmod(0o644)
    refused = run(*adding(sandbox, app_key=f"file:{private}"))
    assert refused.returncode == 2
    assert "can be read by others: make it yours alone with chmod 600" in said(refused)
    in_the_clear = run(*adding(sandbox, app_key="ak1.written-here"))
    assert "Write env:NAME, file:/path or command:PROGRAM" in said(in_the_clear)
    assert "written-here" not in in_the_clear.stderr


def test_what_is_given_changes_and_the_rest_stays_secrets_too(run: Run, sandbox: str) -> None:
    run(*adding(sandbox, client_secret="env:OTHER_SECRET"), OTHER_SECRET="cs1.revoked-since")
    assert "the client secret is not its own" in said(run("tenants", "test", str(TENANT)))
    changed = run("tenants", "change", str(TENANT), "--client-secret", "env:TEST_CLIENT_SECRET", "--name", "Renamed")
    assert (changed.returncode, changed.stderr) == (0, "")
    assert run("tenants", "test", str(TENANT)).returncode == 0, "the app key is the one from before"
    guid = "11111111-2222-4333-8444-555555555555"
    more = ("--application-guid", guid, "--booking-provider", "1234")
    assert run("tenants", "change", str(TENANT), *more).returncode == 0
    shown = run("tenants", "show", str(TENANT)).stdout
    assert shown.startswith("Renamed\n")
    assert f"Application GUID: {guid}\nBooking provider: 1234\n" in shown
    assert said(run("tenants", "change", str(TENANT))) == "Say what to change: see trunkline tenants change --help."
    assert said(run("tenants", "change", "7", "--name", "X")) == "There is no tenant with the id 7."


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"client_id": "ak1.other"}, "This looks like an app key, not like a client id: each has its own field."),
        ({"client_secret": "env:TEST_APP_KEY"}, "This looks like an app key, not like a client secret"),
        (
            {"environment": "https://auth.servicetitan.io"},
            "This is an address of ServiceTitan's own: write production.",
        ),
        ({"timezone": "Mars/Base"}, "'Mars/Base' is no time zone; write one like America/Toronto."),
    ],
)
def test_a_mistake_is_told_before_anything_is_sent(
    run: Run, sandbox: str, options: dict[str, str], sentence: str
) -> None:
    refused = run(*adding(sandbox, **options))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert said(refused).startswith(sentence)


def test_a_test_that_fails_says_what_is_wrong(run: Run, sandbox: str) -> None:
    run(*adding(sandbox), TEST_CLIENT_SECRET="cs1.other")
    tested = run("tenants", "test", str(TENANT))
    assert (tested.returncode, tested.stdout) == (1, "")
    assert said(tested).startswith("ServiceTitan knows no such client id, or the client secret is not its own")
    assert said(run("tenants", "test", "7")) == "There is no tenant with the id 7."


def test_the_key_of_the_secrets_can_be_another_one_from_now_on(run: Run, sandbox: str) -> None:
    old, new = (run("tenants", "new-key").stdout.strip() for _ in range(2))
    assert old != new
    run(*adding(sandbox), TRUNKLINE_SECRET_KEY=old)
    rotated = run("tenants", "rotate-key", TRUNKLINE_SECRET_KEY=f"{new},{old}")
    assert rotated.stdout.startswith("The secrets of 1 tenants are encrypted with the newest key")
    assert run("tenants", "test", str(TENANT), TRUNKLINE_SECRET_KEY=new).returncode == 0
    lost = run("tenants", "test", str(TENANT), TRUNKLINE_SECRET_KEY=old)
    assert said(lost).startswith("The stored secrets cannot be read with this key: set TRUNKLINE_SECRET_KEY")
    assert "(secrets unreadable)" in run("tenants", "list", TRUNKLINE_SECRET_KEY=old).stdout
    assert said(run("sync", TRUNKLINE_SECRET_KEY=old)) == said(lost)


def test_a_company_in_the_file_is_listed_and_left_alone(run: Run, sandbox: str, tmp_path: Path) -> None:
    text = TENANT_TOML.format(id=TENANT, name="Filed Example", sandbox=sandbox)
    (tmp_path / "trunkline.toml").write_text(text)
    assert run("tenants", "list").stdout == f"{TENANT}  Filed Example  (running, from trunkline.toml)\n"
    for command in (("pause",), ("resume",), ("remove", "--yes")):
        refused = run("tenants", *command, str(TENANT))
        assert refused.returncode == 1
        assert said(refused).startswith("This tenant stands in trunkline.toml: change it there")
    assert run("tenants", "test", str(TENANT)).returncode == 0


def test_a_lookup_in_a_network_asks_every_company(run: Run, sandbox: str, tmp_path: Path) -> None:
    (tmp_path / "trunkline.toml").write_text(NETWORK)
    nobody = run("lookup", "4375550142", "--network", "Example Group")
    assert (nobody.returncode, said(nobody)) == (2, "Say which network with --network: Example Group.")
    run(*adding(sandbox))
    run(*adding(sandbox, OTHER, name="Other Example"))
    found = run("lookup", "4375550142", "--network", "Example Group")
    assert found.stdout.splitlines() == [
        "Example Plumbing", "(437) 555-0142", "Nobody in ServiceTitan has this number.",
    ]  # fmt: skip
    json = run("lookup", "4375550142", "--network", "Example Group", "--json").stdout
    assert json.startswith(f'{{"tenant_id":{TENANT},"company":"Example Plumbing","card":')
