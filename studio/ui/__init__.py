"""What the browser shows: a folder a tab, shared parts in `parts`. No pixels are computed here, no torch imported."""
