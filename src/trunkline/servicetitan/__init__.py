"""The ServiceTitan API: authentication, limits, errors, paging, export feeds."""
