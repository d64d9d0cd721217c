"""PostgreSQL, and nothing else: the embedded server, migrations, and every SQL statement, one module an aggregate."""
