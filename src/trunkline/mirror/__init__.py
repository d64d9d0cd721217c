"""Keeps a copy of the ServiceTitan data that a ringing phone needs."""
