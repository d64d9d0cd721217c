"""The adapter for Dialpad keeps the contract of all adapters."""

from trunkline.sandbox.phones.dialpad import SPEAKER
from trunkline.testing.contract import contract

TestDialpad = contract(SPEAKER)
