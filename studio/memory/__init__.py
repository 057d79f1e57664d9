"""What fits: footprints, what this machine has measured, and the ladder of ways to make a render fit."""
