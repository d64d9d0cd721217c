"""CallRail: numbers of advertisements in front of the shop's phones; deliveries, history, recordings, click to call."""

from trunkline.phone_systems.callrail.adapter import CallRailAdapter, CallRailOptions

__all__ = ["CallRailAdapter", "CallRailOptions"]
