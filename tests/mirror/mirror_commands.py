"""`trunkline` as a process beside the test, for the tiny ServiceTitan that lives in the test."""

import asyncio
from pathlib import Path

from whole_servicetitan import TENANT

from company import TENANT_TOML, TRUNKLINE, environment


async def run(
    folder: Path, database_url: str, servicetitan_url: str, *arguments: str, fault: str = ""
) -> tuple[int, str]:
    """Run one command to its end; its exit status, and what it said."""
    settings = TENANT_TOML.format(id=TENANT, name="Example Plumbing", sandbox=servicetitan_url)
    (folder / "trunkline.toml").write_text(settings)
    process = await asyncio.create_subprocess_exec(
        TRUNKLINE, *arguments, "--data-dir", str(folder), stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, env=environment(DATABASE_URL=database_url, TRUNKLINE_FAULT=fault),
    )  # fmt: skip
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    return process.returncode or 0, said.decode()
