"""What training makes small, over which noise levels, in which wavelet bands."""
