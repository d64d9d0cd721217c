"""`trunkline export` writes any resource into a file, with its types."""

import csv
import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mirror_commands import run
from whole_servicetitan import ROWS, copy_of

from trunkline.mirror.catalog import RESOURCES
from trunkline.store import export
from trunkline.store.data_views import view_columns
from trunkline.store.database import Database


async def test_parquet_keeps_the_types(database: Database, database_url: str, tmp_path: Path) -> None:
    target = tmp_path / "items.parquet"
    async with copy_of(database, "estimate_items") as it:
        it.servicetitan.rows["estimate_items"][0] |= {"qty": 0.1, "description": 'He said "é",\nand left'}
        await it.sync_well()
        status, said = await run(
            tmp_path, database_url, it.servicetitan.base_url, "export", "estimate-items", "--to", str(target)
        )
    assert (status, said) == (0, f"{ROWS} rows in {target}\n")
    table = pq.read_table(target)
    assert table.schema.field("id").type == pa.int64()
    assert table.schema.field("qty").type == pa.decimal128(38, 10)
    assert table.schema.field("modified_on").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("chargeable").type == pa.bool_()
    (row,) = [one for one in table.to_pylist() if one["id"] == 1]
    assert (row["qty"], row["description"]) == (Decimal("0.1"), 'He said "é",\nand left')
    assert row["modified_on"] == datetime(2026, 1, 2, 3, 4, 1, 123457, tzinfo=UTC)
    assert json.loads(row["sku"])["id"] == 1
    assert set(os.listdir(tmp_path)) == {"items.parquet", "trunkline.toml"}  # noqa: PTH208 - nothing is awaited


async def test_csv_has_a_header_and_whatever_was_modified_since(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    target = tmp_path / "customers.csv"
    async with copy_of(database, "customers") as it:
        it.servicetitan.rows["customers"][1]["modifiedOn"] = "2026-06-01T00:00:00Z"
        await it.sync_well()
        status, _ = await run(
            tmp_path, database_url, it.servicetitan.base_url,
            "export", "customers", "--to", str(target), "--since", "2026-05-31",
        )  # fmt: skip
    assert status == 0
    with target.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["name"], row["balance"], row["active"]) == ("2", "text 2", "2.25", "t")


async def test_a_file_that_cannot_be_written_is_told_and_the_old_one_stays(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    assert database is not None
    status, said = await run(
        tmp_path, database_url, "http://127.0.0.1:9", "export", "zones", "--to", str(tmp_path / "no" / "zones.csv")
    )
    assert status == 1
    assert said == f"Error: Cannot write {tmp_path}/no/zones.csv: no such file or directory.\n"
    status, said = await run(tmp_path, database_url, "http://127.0.0.1:9", "export", "zones", "--to", "zones.xlsx")
    assert status == 2
    assert "must end in .parquet or .csv" in said


async def test_every_resource_can_be_exported_a_batch_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BATCH_ROWS", 2)
    async with copy_of(database) as it:
        await it.sync_well()
        for resource in RESOURCES:
            async with database.transaction() as connection:
                columns = await view_columns(connection, resource.name)
                since = datetime(2026, 1, 1, tzinfo=UTC)
                found = export.batches(connection, resource.name, 1_000_001, columns, since)
                sizes = [len(batch) async for batch in found]
            assert sizes == ([2, 1] if resource.key else [1]), resource.name
