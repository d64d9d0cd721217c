"""Speaks as 3CX does: what its CRM template posts, a 3CX that runs such a template, and its own API."""

from trunkline.sandbox.phones.three_cx.speaker import SPEAKER

__all__ = ["SPEAKER"]
