"""The deep viewer: a canvas for pictures of any size."""
