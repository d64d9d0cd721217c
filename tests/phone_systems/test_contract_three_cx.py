"""The adapter for 3CX keeps the contract of all adapters, by its template and by Call Control."""

from trunkline.sandbox.phones.three_cx import LISTENER, SPEAKER
from trunkline.testing.contract import contract

TestThreeCx = contract(SPEAKER)
TestThreeCxCallControl = contract(LISTENER, traces="3cx-call-control")
