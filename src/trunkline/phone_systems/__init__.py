"""One module per phone system: each knows its vendor, none knows ServiceTitan or the database."""
