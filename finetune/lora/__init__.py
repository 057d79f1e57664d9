"""LoRA: put on a model, saved, read from anybody's file, merged."""
