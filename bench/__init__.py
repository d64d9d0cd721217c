"""Figures beside their limits, measured in the same run. `make bench` runs them all."""
