"""A file of call detail records (CSV) on this machine, as PBXs write it or people export it: history, nothing live."""

from trunkline.phone_systems.cdr_file.adapter import CdrFileAdapter

__all__ = ["CdrFileAdapter"]
