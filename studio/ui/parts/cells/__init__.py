"""Tables of pictures that are asked for, and the viewer over them."""
