"""Readers of what other tools write of a picture's making: one module for each way to write it."""
