"""The rules, pure: phone numbers, call events, the call fold, matching and the logging plan.

Nothing here reads a clock, a socket or a database, and nothing awaits.
"""
