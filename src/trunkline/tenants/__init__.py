"""Who the tenants are and how they are reached: from the settings file, and encrypted from the database."""
