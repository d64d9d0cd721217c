"""Quo: what it says, and its REST API."""

from trunkline.sandbox.phones.quo.speaker import SPEAKER

__all__ = ["SPEAKER"]
