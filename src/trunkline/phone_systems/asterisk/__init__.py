"""Asterisk and FreePBX over the Asterisk Manager Interface (AMI).

Source of the protocol: docs.asterisk.org, "AMI v2 Specification", and the events as Asterisk 20 to 22 send them.
"""

from trunkline.phone_systems.asterisk.adapter import AsteriskAdapter

__all__ = ["AsteriskAdapter"]
