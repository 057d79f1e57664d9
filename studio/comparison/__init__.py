"""Differences between pictures, and scores that are kept."""
