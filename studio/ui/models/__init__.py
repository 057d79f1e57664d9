"""The Models tab: its panel, what it does in `handlers`."""
