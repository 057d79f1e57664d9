"""What the browser shows: one file per tab. No pixels are computed here, and no torch is imported."""
