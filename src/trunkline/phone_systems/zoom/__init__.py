"""Zoom Phone: signed webhooks while it rings, its call history by REST, recordings with our token."""

from trunkline.phone_systems.zoom.adapter import ZoomAdapter

__all__ = ["ZoomAdapter"]
