"""A ServiceTitan and phone systems to run against, on this machine, for demos and tests."""
