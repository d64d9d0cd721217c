"""The adapter for Asterisk keeps the contract of all adapters."""

from trunkline.sandbox.phones.asterisk import SPEAKER
from trunkline.testing.contract import contract

TestAsterisk = contract(SPEAKER)
