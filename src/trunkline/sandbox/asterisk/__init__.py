"""A simulated Asterisk: an AMI server on a real socket that plays calls as a PBX would tell them."""

from trunkline.sandbox.asterisk.scenarios import SCENARIOS, PlayedCall, play
from trunkline.sandbox.asterisk.server import AmiServer

__all__ = ["SCENARIOS", "AmiServer", "PlayedCall", "play"]
