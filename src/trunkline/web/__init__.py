"""The dispatcher's desk: board, pages, API, webhook endpoints. No business rule lives here."""
