"""Speaks RingCentral's notifications and call log, and looks like its REST API."""

from trunkline.sandbox.phones.ringcentral.speaker import SPEAKER

__all__ = ["SPEAKER"]
