"""Captions by a model, of this machine or behind an endpoint. The captions' own file is `finetune.data.captions`."""
