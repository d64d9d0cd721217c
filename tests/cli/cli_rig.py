"""What the command line's tests pass one another."""

import subprocess
from collections.abc import Callable

Ended = subprocess.CompletedProcess[str]
Trunkline = Callable[..., Ended]
