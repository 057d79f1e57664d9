"""The header: worker, queue, colours."""
