"""Writes every ended call into ServiceTitan, once.

ServiceTitan has no idempotency keys, so "once" rests on three things. An intent is committed before each write. The
written text carries the call's reference. After any outcome that is not known for certain, the notes of the target
are read back and searched for that reference before anything is written again - and a write whose reply was lost is
not repeated before ServiceTitan must have finished with it, found or not.
"""
