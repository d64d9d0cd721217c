"""The adapter for FreeSWITCH keeps the contract of all adapters."""

from trunkline.sandbox.phones.freeswitch import SPEAKER
from trunkline.testing.contract import contract

TestFreeSwitch = contract(SPEAKER)
