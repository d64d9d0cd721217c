"""A look-alike of ServiceTitan that follows its published contract, with invented data and faults to switch on."""

from trunkline.sandbox.servicetitan.choices import Choices, choose
from trunkline.sandbox.servicetitan.clients import SCOPES, Client, check_scopes, read_clients
from trunkline.sandbox.servicetitan.faults import Fault, parse_fault
from trunkline.sandbox.servicetitan.server import Sandbox, SandboxOptions
from trunkline.sandbox.servicetitan.serving import SandboxServer, run

__all__ = [
    "SCOPES", "Choices", "Client", "Fault", "Sandbox", "SandboxOptions", "SandboxServer", "check_scopes", "choose",
    "parse_fault", "read_clients", "run",
]  # fmt: skip
