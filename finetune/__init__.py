"""Fine-tuning: backbones, datasets, objectives, runs. Knows nothing of the studio."""
