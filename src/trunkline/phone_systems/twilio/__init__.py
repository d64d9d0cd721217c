"""Twilio Programmable Voice: callbacks about each leg of a call, its history, recordings, click to call."""

from trunkline.phone_systems.twilio.adapter import TwilioAdapter, TwilioOptions

__all__ = ["TwilioAdapter", "TwilioOptions"]
