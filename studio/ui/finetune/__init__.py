"""The Fine-tune tab: form, checks, runs, grid of a LoRA's steps."""
