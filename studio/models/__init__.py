"""Which models there are and where: catalogue, folders, the hub and its downloads, LoRA files. No torch."""
