"""The command `d4k`, a file for each noun."""
