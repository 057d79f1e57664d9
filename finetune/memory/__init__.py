"""What training and rendering hold in memory, counted on the meta device."""
