"""Zoom Phone: what it says, and its REST API."""

from trunkline.sandbox.phones.zoom.speaker import SPEAKER

__all__ = ["SPEAKER"]
