"""The adapter for Quo keeps the contract of all adapters."""

from trunkline.sandbox.phones.quo import SPEAKER
from trunkline.testing.contract import contract

TestQuo = contract(SPEAKER)
