"""A look-alike of ServiceTitan that follows its published contract, with invented data and faults to switch on."""

from trunkline.sandbox.servicetitan.faults import Fault, parse_fault
from trunkline.sandbox.servicetitan.server import Sandbox, SandboxOptions, SandboxServer, run

__all__ = ["Fault", "Sandbox", "SandboxOptions", "SandboxServer", "parse_fault", "run"]
