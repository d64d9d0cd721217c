"""`trunkline st call`: each operation is a command of its own, made from what ServiceTitan publishes about it."""

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click
import msgspec

from trunkline.cli.options import at_tenant, data_dir_option, finished, read_settings, tenant_option
from trunkline.contract.operations import Operation, Parameter, details, operations
from trunkline.contract.references import resolved
from trunkline.servicetitan import exact
from trunkline.servicetitan.catalog import choices, file_fields, find, largest_page, require_registered
from trunkline.servicetitan.errors import InvalidRequest, ServiceTitanError, UnknownOperation

if TYPE_CHECKING:
    from trunkline.settings import Settings, TenantSettings

_HELP = {"help_option_names": ["-h", "--help"]}


class _Operations(click.Group):
    """Its commands are the operations."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, operation in operations().items() if operation.scope is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        try:
            return _command(find(cmd_name))
        except UnknownOperation as error:
            raise click.ClickException(str(error)) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Operations"):
            formatter.write_text("'trunkline st list' names them; 'trunkline st call NAME --help' says what one takes.")


@click.command(cls=_Operations, subcommand_metavar="NAME [PARAMETERS]...", context_settings=_HELP)
@data_dir_option
@tenant_option
@click.pass_context
def call(context: click.Context, data_dir: Path | None, tenant: int | None) -> None:
    """Call the operation NAME, and print what it answers as JSON."""
    context.obj = (data_dir, tenant)


def _command(operation: Operation) -> click.Command:
    published = details(operation)
    parameters = [parameter for parameter in published.parameters if parameter.name != "tenant"]
    named = {f"p{number}": parameter for number, parameter in enumerate(parameters)}
    options = [_option(operation, key, parameter) for key, parameter in named.items()]
    options += _body_options(published.body)
    if operation.exports or largest_page(operation):
        options.append(click.Option(["--all-pages"], is_flag=True, help="Every page; one row on a line."))
    if operation.method != "GET":
        options.append(click.Option(["--yes"], is_flag=True, help="Write without asking first."))
    options.append(click.Option(["--table"], is_flag=True, help="As a table, for people."))
    options.append(click.Option(["--dry-run"], is_flag=True, help="Show the request, without secrets; send nothing."))
    needs = f"Needs the scope {operation.scope} ({operation.right})." if operation.scope else "No scope covers it."
    return click.Command(
        operation.name,
        params=list(options),
        callback=_callback(operation, named),
        help=f"{operation.method} /{operation.path}\n\n{needs}",
        context_settings=_HELP,
    )


def _option(operation: Operation, key: str, parameter: Parameter) -> click.Option:
    words = choices(operation.module, parameter.schema)
    schema = resolved(operation.module, parameter.schema)
    kind = schema.get("format") or schema.get("type") or "text"
    return click.Option(
        [f"--{parameter.name}", key],
        metavar="|".join(words) if words else ("NAME=VALUE" if kind == "object" else kind.upper()),
        multiple=schema.get("type") in {"array", "object"},
        required=parameter.place == "path" or parameter.required,
        shell_complete=lambda _context, _option, begun: [word for word in words if word.startswith(begun)],
    )


def _body_options(schema: dict[str, Any] | None) -> list[click.Option]:
    if schema is None:
        return []
    kind = click.Path(exists=True, dir_okay=False, path_type=Path)
    files = sorted(file_fields(schema))
    if files:
        return [click.Option([f"--{name}", f"file_{name}"], type=kind, required=True) for name in files]
    return [click.Option(["--body"], metavar="JSON", help="JSON, @FILE, or - for standard input.")]


def _callback(operation: Operation, named: Mapping[str, Parameter]) -> Callable[..., None]:
    @click.pass_obj
    def run(target: tuple[Path | None, int | None], /, **given: Any) -> None:
        data_dir, tenant_id = target
        parameters = {
            one.name: _value(operation, one, given[key]) for key, one in named.items() if given[key] not in {None, ()}
        }
        request = _Request(operation, parameters, _body(given), _Manner.of(given))
        settings = read_settings(data_dir)
        try:
            finished(_carry_out(settings, tenant_id, request))
        except InvalidRequest as error:
            raise click.ClickException(_sentences(error)) from None
        except ServiceTitanError as error:
            raise click.ClickException(str(error)) from None

    return run


def _sentences(error: InvalidRequest) -> str:
    """All that is wrong, a line each."""
    lines = list(dict.fromkeys(line for lines in error.errors.values() for line in lines))
    return str(error) if len(lines) < 2 or error.status else "\n".join([*lines, "Nothing was sent."])


@dataclass(frozen=True)
class _Manner:
    """How it is to be done: `asked` means without asking first."""

    every_page: bool
    as_table: bool
    dry_run: bool
    asked: bool

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        return cls(given.get("all_pages", False), given["table"], given["dry_run"], given.get("yes", True))


@dataclass(frozen=True)
class _Request:
    operation: Operation
    parameters: dict[str, Any]
    body: Any
    manner: _Manner

    def shown(self, tenant: "TenantSettings") -> str:
        """The request as it would go out, without secrets; raises as :func:`prepare` where it would not."""
        from trunkline.servicetitan.client import Environment  # noqa: PLC0415 - not for `trunkline st list`
        from trunkline.servicetitan.requests import prepare  # noqa: PLC0415

        prepared = prepare(self.operation, self.parameters, self.body)
        query = "&".join(f"{name}={value}" for name, value in prepared.query)
        path = prepared.path.replace("{tenant}", str(tenant.id))
        url = f"{Environment.named(tenant.servicetitan.environment).api_url}/{path}{'?' if query else ''}{query}"
        lines = [f"{self.operation.method} {url}", "Authorization: Bearer ***", "ST-App-Key: ***"]
        if prepared.content is not None:
            lines += ["", msgspec.json.format(prepared.content, indent=2).decode()]
        for name, (file, content) in (prepared.files or {}).items():
            lines.append(f"{name}: {file}, {len(content):,} bytes")
        return "\n".join(lines)


def _value(operation: Operation, parameter: Parameter, given: Any) -> Any:
    if resolved(operation.module, parameter.schema).get("type") != "object":
        return list(given) if isinstance(given, tuple) else given
    pairs = [text.partition("=") for text in given]
    if any(not equals for _, equals, _ in pairs):
        raise click.UsageError(f"--{parameter.name} takes NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _body(given: dict[str, Any]) -> Any:
    files = {key.removeprefix("file_"): path for key, path in given.items() if key.startswith("file_")}
    text = given.get("body")
    if files or text is None:
        return files or None
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).read_text()
        return msgspec.json.decode(text)
    except OSError as error:
        raise click.UsageError(f"--body: {text[1:]} cannot be read: {error.strerror}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--body is no JSON: {error}.") from None


async def _carry_out(settings: "Settings", tenant_id: int | None, request: _Request) -> None:
    import httpx  # noqa: PLC0415 - not for `trunkline st list`

    from trunkline.resources import client_for  # noqa: PLC0415

    manner = request.manner
    chosen = at_tenant(settings, tenant_id, connecting=not manner.dry_run)
    async with chosen as (tenant, database), httpx.AsyncClient() as http:
        if not tenant.servicetitan.allow_unregistered:
            require_registered(request.operation)
        if manner.dry_run:
            click.echo(request.shown(tenant))
            return
        if not manner.asked:
            click.echo(request.shown(tenant), err=True)
            click.confirm(f"Write this into {tenant.name}?", abort=True, err=True)
        client = client_for(tenant, database, http)
        if manner.every_page:
            pages = client.call_pages(request.operation.name, **request.parameters)
            await _print_pages(pages, as_table=manner.as_table)
        else:
            answer = await client.call(request.operation.name, request.body, **request.parameters)
            _print_answer(answer, as_table=manner.as_table)


def _print_answer(answer: Any, *, as_table: bool) -> None:
    from trunkline.cli.st_table import print_table  # noqa: PLC0415 - not for `trunkline st list`

    if isinstance(answer, bytes):
        sys.stdout.buffer.write(answer)
    elif as_table:
        print_table(answer["data"] if isinstance(answer, dict) and isinstance(answer.get("data"), list) else answer)
    elif answer is not None:
        click.echo(msgspec.json.format(exact.encode(answer), indent=2).decode())


async def _print_pages(pages: AsyncIterator[list[Any]], *, as_table: bool) -> None:
    from trunkline.cli.st_table import print_table  # noqa: PLC0415

    rows = []
    async for page in pages:
        if as_table:
            rows += page
        else:
            for row in page:
                click.echo(exact.encode(row))
    if as_table:
        print_table(rows)
