"""Trunkline joins a contractor's phone system to ServiceTitan.

The rooms, from the command line down to the pure rules, are described in ``docs/architecture.md``.
"""

__version__ = "0.1.0"
