"""The adapter for Aircall keeps the contract of all adapters."""

from trunkline.sandbox.phones.aircall import SPEAKER
from trunkline.testing.contract import contract

TestAircall = contract(SPEAKER)
