"""Drawing one picture: opening a pipeline, denoising, decoding. Knows no queue and no gallery."""
