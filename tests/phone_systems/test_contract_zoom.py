"""The adapter for Zoom Phone keeps the contract of all adapters."""

from trunkline.sandbox.phones.zoom import SPEAKER
from trunkline.testing.contract import contract

TestZoom = contract(SPEAKER)
