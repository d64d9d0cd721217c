"""The adapter for a file of call detail records keeps the contract of all adapters."""

from trunkline.sandbox.phones.cdr_file import SPEAKER
from trunkline.testing.contract import contract

TestCdrFile = contract(SPEAKER)
