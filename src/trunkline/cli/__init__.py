"""The command line. Each command lives in a module of its own, imported only when it is used."""

from importlib import import_module

import click

from trunkline import __version__

# Command -> module that defines a click command of the same name (dashes become underscores).
_COMMANDS = {
    "serve": "trunkline.cli.serve",
    "demo": "trunkline.cli.demo",
    "lookup": "trunkline.cli.lookup",
    "sync": "trunkline.cli.sync",
    "export": "trunkline.cli.export",
    "numbers": "trunkline.cli.numbers",
    "scopes": "trunkline.cli.scopes",
    "phone-systems": "trunkline.cli.phones",
    "st": "trunkline.cli.st",
    "tenants": "trunkline.cli.tenants",
    "sandbox": "trunkline.cli.sandbox",
}


class _LazyGroup(click.Group):
    """Imports a command when it is asked for, so that `trunkline lookup` does not wait for the web server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(_COMMANDS[cmd_name]), cmd_name.replace("-", "_"))
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Trunkline: who is calling while the phone rings, every call logged once in ServiceTitan.

    `trunkline demo` shows it all on this machine, with invented customers.
    """
