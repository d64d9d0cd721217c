"""The adapter for 3CX keeps the contract of all adapters."""

from trunkline.sandbox.phones.three_cx import SPEAKER
from trunkline.testing.contract import contract

TestThreeCx = contract(SPEAKER)
