"""The adapter for CallRail keeps the contract of all adapters."""

from trunkline.sandbox.phones.callrail import SPEAKER
from trunkline.testing.contract import contract

TestCallrail = contract(SPEAKER)
