"""What one run is told: its sections, with help and ranges, as TOML and back. No torch."""
