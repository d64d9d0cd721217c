"""ServiceTitan's published contract, as facts: operations, scopes and schemas, without prose.

``tools/make_contract.py`` derives the files in ``published`` from the official OpenAPI files (state of March 2026).
"""
