"""Datasets in the studio: opened, fetched, captioned, cropped, watched. No torch."""
