"""Models against each other on the same prompts and seeds: drawn, measured, tabled, judged by eye."""
