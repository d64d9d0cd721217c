"""The adapter for RingCentral keeps the contract of all adapters."""

from trunkline.sandbox.phones.ringcentral import SPEAKER
from trunkline.testing.contract import contract

TestRingCentral = contract(SPEAKER)
