"""FreeSWITCH: its events as they stand in an inbox, its call records as it posts them, and an event socket to log
into.
"""

from trunkline.sandbox.phones.freeswitch.server import EventSocketServer
from trunkline.sandbox.phones.freeswitch.speaker import SPEAKER

__all__ = ["SPEAKER", "EventSocketServer"]
