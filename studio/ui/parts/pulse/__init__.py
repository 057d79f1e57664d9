"""How the page hears of changes without asking."""
