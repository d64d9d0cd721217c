"""Older phone systems that print one line for each finished call (SMDR): Avaya, Panasonic, Mitel, NEC.

No line comes before a call is over, so nobody's screen pops; who called is known only where the trunk tells it.
"""

from trunkline.phone_systems.smdr.adapter import SmdrAdapter

__all__ = ["SmdrAdapter"]
