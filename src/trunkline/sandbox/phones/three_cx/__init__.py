"""Speaks as 3CX does: what its CRM template posts, a 3CX that runs such a template, Call Control, and its own API."""

from trunkline.sandbox.phones.three_cx.call_control import LISTENER
from trunkline.sandbox.phones.three_cx.speaker import SPEAKER

__all__ = ["LISTENER", "SPEAKER"]
