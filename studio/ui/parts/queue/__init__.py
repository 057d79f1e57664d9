"""The queue beside the form."""
