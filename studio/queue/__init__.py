"""The job table: what is to be done, by whom it is done, and how far it is. No torch."""
