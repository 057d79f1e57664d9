"""Datasets on disk: scanned, cropped, cached, batched. torch only where tensors are kept (`cache`)."""
