"""Measures of pictures and sets: no studio, no diffusers. What each is, means and costs: `metrics.catalogue`."""
