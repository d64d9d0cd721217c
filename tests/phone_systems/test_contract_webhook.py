"""The adapter for anything that can send a signed webhook keeps the contract of all adapters."""

from trunkline.sandbox.phones.webhook import SPEAKER
from trunkline.testing.contract import contract

TestWebhook = contract(SPEAKER)
