"""From what a phone system said to what people see: inbox, tracker, identification, live feed."""
