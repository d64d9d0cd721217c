"""Runs `trunkline` in forks of a process that has imported it: as good as a program of its own, a second sooner.

Reads one order a line from standard input, as JSON - arguments, environment, the files for its three streams - and
answers with the exit status.
"""

import json
import os
import sys
import traceback
from typing import Any

import trunkline.app  # what commands import while they run is there already
import trunkline.cli.export
import trunkline.cli.lookup
import trunkline.cli.numbers
import trunkline.cli.scopes
import trunkline.cli.st
import trunkline.cli.st_call
import trunkline.cli.sync
import trunkline.cli.tenants  # noqa: F401 - as above
from trunkline.cli import main


def _become(order: dict[str, Any]) -> None:
    """Be `trunkline` with these arguments, as the shell would have started it."""
    os.environ.clear()
    os.environ.update(order["environment"])
    for number, (path, flags) in enumerate(zip(order["files"], (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True)):
        os.dup2(os.open(path, flags), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - by its number; what was read ahead is not for us
    sys.argv = ["trunkline", *order["arguments"]]
    status: Any = 0
    try:
        main()
    except SystemExit as ended:
        status = ended.code
    except BaseException:  # noqa: BLE001 - as Python itself does
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        _become(json.loads(line))
    _, ending = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(ending), flush=True)
