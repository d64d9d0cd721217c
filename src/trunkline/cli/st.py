"""`trunkline st`: every operation that ServiceTitan publishes, from the command line."""

from collections.abc import Iterator
from typing import Any

import click
import msgspec

from trunkline.cli.st_call import call
from trunkline.contract.operations import Operation, details, operations, schemas
from trunkline.contract.references import resolved, used
from trunkline.servicetitan.catalog import choices, find
from trunkline.servicetitan.errors import UnknownOperation


@click.group()
def st() -> None:
    """Any operation of ServiceTitan's API, by name: list them, see what one takes, call it."""


st.add_command(call)


def _names(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    return [name for name in operations() if name.startswith(begun)]


@st.command("list")
@click.argument("part", default="", shell_complete=_names)
@click.option("--scope", help="Only what this scope of the developer portal covers.")
@click.option("--all", "everything", is_flag=True, help="Also what no scope of this app covers.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_operations(*, part: str, scope: str | None, everything: bool, as_json: bool) -> None:
    """List operations: all, or those whose name contains PART."""
    found = [
        operation
        for operation in operations().values()
        if part in operation.name
        and (everything or operation.scope is not None)
        and (scope is None or (operation.scope or "").lower() == scope.lower())
    ]
    if not found:
        raise click.ClickException("No such operation; --all also lists those that no scope of this app covers.")
    if as_json:
        click.echo(_json([_facts(operation) for operation in found]))
        return
    width = max(len(operation.name) for operation in found)
    for operation in found:
        covered = f"{operation.scope} ({operation.right})" if operation.scope else "not registered"
        click.echo(f"{operation.name:{width}}  {operation.method:6}  {covered}")


@st.command()
@click.argument("name", shell_complete=_names)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with whole schemas.")
def describe(*, name: str, as_json: bool) -> None:
    """Show what the operation NAME takes and answers."""
    try:
        operation = find(name)
    except UnknownOperation as error:
        raise click.ClickException(str(error)) from None
    published = details(operation)
    if as_json:
        about = used(schemas(operation.module), published.body, published.answer)
        click.echo(_json({**_facts(operation), **msgspec.to_builtins(published), "schemas": about}))
        return
    click.echo(f"{operation.name}: {operation.method} /{operation.path}")
    click.echo(f"Scope: {operation.scope} ({operation.right})" if operation.scope else "Scope: none of this app's")
    parameters = [parameter for parameter in published.parameters if parameter.name != "tenant"]
    if parameters:
        click.echo("Parameters:")
    for parameter in parameters:
        click.echo(
            f"  {parameter.name}{'*' if parameter.required else ''}: {_kind(operation.module, parameter.schema)}"
        )
    for title, schema in (("Body", published.body), ("Answer", published.answer)):
        if schema is not None:
            click.echo(f"{title}: {_kind(operation.module, schema)}")
            for line in _outline(operation.module, schema, ()):
                click.echo(f"  {line}")
    if operation.empty:
        click.echo("Answer: none")


def _facts(operation: Operation) -> dict[str, Any]:
    return {**msgspec.to_builtins(operation), "right": operation.right}


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _kind(module: str, schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if words := choices(module, schema):
        return "|".join(words)
    schema = resolved(module, schema)
    if "items" in schema:
        return f"list of {_kind(module, schema['items'])}"
    return str(schema.get("format") or schema.get("type", "anything"))


def _outline(module: str, schema: dict[str, Any], inside: tuple[str, ...]) -> Iterator[str]:
    """One line for each field, those of inner objects indented; a field that must be there has a star."""
    name = schema.get("$ref")
    if name in inside:
        return
    if name is not None:
        yield from _outline(module, schemas(module)[name], (*inside, name))
    elif "items" in schema:
        yield from _outline(module, schema["items"], inside)
    for field, inner in schema.get("properties", {}).items():
        star = "*" if field in schema.get("required", ()) else ""
        yield f"{field}{star}: {_kind(module, inner)}"
        for line in _outline(module, inner, inside):
            yield f"  {line}"
