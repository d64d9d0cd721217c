"""What callers of the store must expect of a database."""


class DatabaseUnavailable(Exception):
    """The database cannot be reached at the moment; the caller should try again."""
