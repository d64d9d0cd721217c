"""RingCentral (RingEX): telephony session events by webhook, the call log, RingOut."""

from trunkline.phone_systems.ringcentral.adapter import RingCentralAdapter, RingCentralOptions

__all__ = ["RingCentralAdapter", "RingCentralOptions"]
