"""Quo, the former OpenPhone: signed webhooks of two generations, its calls by REST, recordings."""

from trunkline.phone_systems.quo.adapter import QuoAdapter

__all__ = ["QuoAdapter"]
