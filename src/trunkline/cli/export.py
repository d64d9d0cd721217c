"""`trunkline export`: one resource as a file for whoever works with the data."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from trunkline import logs
from trunkline.cli.options import at_tenant, data_dir_option, finished, read_settings, tenant_option
from trunkline.mirror.surface import lay_out
from trunkline.mirror.sync import chosen
from trunkline.settings import Settings
from trunkline.store.data_views import view_columns
from trunkline.store.export import Batch, batches, csv_chunks


@click.command()
@click.argument("resource")
@click.option(
    "--to", "target", type=click.Path(dir_okay=False, path_type=Path), required=True, help="FILE.parquet or FILE.csv."
)
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="What was modified since, UTC.")
@data_dir_option
@tenant_option
def export(resource: str, target: Path, since: datetime | None, data_dir: Path | None, tenant: int | None) -> None:
    """Write RESOURCE, as it is mirrored, into a file; `trunkline sync --list` names the resources.

    Parquet keeps the types; objects and lists are JSON text in both.
    """
    logs.configure()
    if target.suffix not in {".parquet", ".csv"}:
        raise click.BadParameter("The file's name must end in .parquet or .csv.", param_hint="--to")
    try:
        (wanted,) = chosen([resource])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="RESOURCE") from None
    settings = read_settings(data_dir)
    since = since.replace(tzinfo=UTC) if since else None
    part = target.with_name(f".{target.name}.part")  # whoever reads the target finds a whole file or none
    try:
        rows = finished(_export(settings, tenant, wanted.name, part, since, parquet=target.suffix == ".parquet"))
        part.replace(target)
    except OSError as error:
        raise click.ClickException(f"Cannot write {target}: {(error.strerror or str(error)).lower()}.") from None
    finally:
        part.unlink(missing_ok=True)
    click.echo(f"{rows:,} rows in {target}", err=True)


async def _export(
    settings: Settings, tenant_id: int | None, name: str, part: Path, since: datetime | None, *, parquet: bool
) -> int:
    async with at_tenant(settings, tenant_id) as (tenant, database):
        await lay_out(database)
        async with database.transaction() as connection:
            # The rows are read a batch at a time, but all as of one moment.
            await connection.execute("set transaction isolation level repeatable read read only")
            columns = await view_columns(connection, name)
            if parquet:
                return await _parquet(part, columns, batches(connection, name, tenant.id, columns, since))
            return await _csv(part, csv_chunks(connection, name, tenant.id, columns, since))


async def _csv(part: Path, chunks: AsyncIterator[bytes]) -> int:
    rows = -1  # the header
    with part.open("wb") as file:
        async for chunk in chunks:  # a chunk is a row
            file.write(chunk)
            rows += 1
    return rows


async def _parquet(part: Path, columns: list[tuple[str, str]], rows: AsyncIterator[Batch]) -> int:
    import pyarrow as pa  # noqa: PLC0415 - takes a third of a second, and only this command needs it
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    types: dict[str, Any] = {
        "bigint": pa.int64(),
        "numeric": pa.decimal128(38, 10),
        "double precision": pa.float64(),
        "boolean": pa.bool_(),
        "timestamp with time zone": pa.timestamp("us", tz="UTC"),
        "bigint[]": pa.list_(pa.int64()),
        "text[]": pa.list_(pa.string()),
    }
    schema = pa.schema([(name, types.get(kind, pa.string())) for name, kind in columns])
    count = 0
    with pq.ParquetWriter(part, schema, compression="zstd") as writer:
        async for batch in rows:
            values = zip(*batch, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            count += len(batch)
    return count
