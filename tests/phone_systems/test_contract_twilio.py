"""The adapter for Twilio keeps the contract of all adapters."""

from trunkline.sandbox.phones.twilio import SPEAKER
from trunkline.testing.contract import contract

TestTwilio = contract(SPEAKER)
