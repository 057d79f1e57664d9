"""Finished pictures: the gallery, their files, what is written in them, previews. No torch."""
