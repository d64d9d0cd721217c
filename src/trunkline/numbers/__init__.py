"""What people decided about phone numbers: made here, kept here, and copied to ServiceTitan to survive a reinstall."""
