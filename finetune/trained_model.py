"""The model of a run: opened without its text encoders, with the weights that move, and written out at the end.

Not here: LoRA layers (`finetune.lora.layers`), the steps (`finetune.loop`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from diffusers import DiffusionPipeline, ModelMixin
from torch import Tensor
from torch.nn import Parameter

from finetune.backbones import Family, family_of
from finetune.config.files import write_toml
from finetune.config.run_config import FinetuneConfig
from finetune.lora.files import save_adapter
from finetune.lora.layers import add_lora
from finetune.memory.training_memory import hollow_transformer
from finetune.model_folder import ModelFolder
from finetune.preparing import DTYPES, base_folder
from finetune.run_folder import RunFolder
from finetune.sharding import mesh_of, one_at_a_time, shard, whole_state
from finetune.training_state import CPU

_ENCODERS = {
    "StableDiffusion3Pipeline": ("1", "2", "3"),
    "FluxPipeline": ("1", "2"),
}


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A pipeline without text encoders, and which of its transformer's weights are trained."""

    pipeline: DiffusionPipeline
    family: Family
    folder: Path
    divided: bool = False
    """Among processes, or in main memory: `finetune.sharding`."""

    @property
    def transformer(self) -> ModelMixin:
        found: ModelMixin = self.pipeline.transformer
        return found

    def parameters(self) -> dict[str, Parameter]:
        """Those that are trained, by name."""
        return {name: p for name, p in self.transformer.named_parameters() if p.requires_grad}

    @property
    def hears_guidance(self) -> bool:
        return bool(self.transformer.config.get("guidance_embeds", False))


def open_model(config: FinetuneConfig, accelerator: Accelerator) -> TrainedModel:
    """Open, freeze or thaw, and place on the device; the VAE waits on the CPU.

    A frozen base is kept in the run's precision, trained weights in float32.
    """
    resources, device = config.resources, accelerator.device
    if not resources.divided:
        model = _open_whole(config, device)
        model.transformer.to(device)
        return model
    mesh = mesh_of(device)

    def open_divided() -> TrainedModel:
        model = _open_whole(config, device)
        shard(model.transformer, resources, mesh)
        return replace(model, divided=True)

    return one_at_a_time(accelerator, open_divided)


def _open_whole(config: FinetuneConfig, device: torch.device) -> TrainedModel:
    """Weights on the CPU, but for quantised ones."""
    folder = base_folder(config.model.base)
    family = family_of(folder)
    lora = config.method.kind == "lora"
    dtype = DTYPES[config.resources.precision] if lora else torch.float32
    numbers = _ENCODERS[ModelFolder.open(folder).pipeline_class]
    names = [
        f"{kind}{'' if n == '1' else f'_{n}'}" for kind in ("text_encoder", "tokenizer") for n in numbers
    ]
    quantised = config.method.quantise_base != "none"
    pipeline, _ = family.load(
        folder,
        dtype=dtype,
        autoencoder=config.model.autoencoder,
        without=(*names, "transformer") if quantised else tuple(names),
    )
    if quantised:
        pipeline.register_modules(transformer=_quantised(family, folder, config, device))
    if lora:
        add_lora(pipeline.transformer, family, config.method, seed=config.schedule.seed)
    else:
        pipeline.transformer.requires_grad_(True)
    if config.resources.gradient_checkpointing:
        pipeline.transformer.enable_gradient_checkpointing()
    pipeline.vae.requires_grad_(False)
    return TrainedModel(pipeline, family, folder)


def save_result(
    model: TrainedModel,
    run: RunFolder,
    config: FinetuneConfig,
    *,
    step: int,
    dataset_digest: str,
    device: torch.device = CPU,
    writes: bool = True,
) -> Path | None:
    """A LoRA as adapter/pytorch_lora_weights.safetensors, else the whole transformer/; returns what was written.

    A divided model is gathered on `device`, for which every process must call; only the one that writes does more.
    """
    transformer = model.transformer
    if model.divided:
        kept = model.parameters() if config.method.kind == "lora" else transformer.state_dict()
        state = whole_state(kept, device, keep=writes)
        if writes:
            transformer = _twin(model, config, state)
    if not writes:
        return None
    about: Mapping[str, str] = {
        "base": config.model.base,
        "trigger": config.output.trigger,
        "recipe": write_toml(config),
        "dataset": dataset_digest,
        "steps": str(step),
        "run": run.name,
    }
    if config.method.kind == "lora":
        return save_adapter(transformer, run.path / "adapter", family=model.family.name, metadata=about)
    target = run.path / "transformer"
    transformer.save_pretrained(target)
    return target


def _twin(model: TrainedModel, config: FinetuneConfig, state: Mapping[str, Tensor]) -> ModelMixin:
    """A transformer of the same shape that holds `state` and is not divided; what `state` lacks stays on meta."""
    twin = hollow_transformer(model.family.name, model.transformer.config)
    if config.method.kind == "lora":
        add_lora(twin, model.family, config.method, seed=config.schedule.seed)
    twin.load_state_dict(state, strict=config.method.kind == "full", assign=True)
    return twin


def _quantised(family: Family, folder: Path, config: FinetuneConfig, device: torch.device) -> Any:
    if device.type != "cuda":
        raise ValueError(
            f"method.quantise_base needs an NVIDIA GPU, and this run is on {device.type}; set it to 'none'"
        )
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise ValueError(
            "method.quantise_base needs bitsandbytes; install it with `pip install 'diffusion-4k-studio[train]'`"
        ) from error
    from diffusers import BitsAndBytesConfig, FluxTransformer2DModel, SD3Transformer2DModel

    dtype = DTYPES[config.resources.precision]
    four_bit = config.method.quantise_base == "nf4"
    kind = FluxTransformer2DModel if family.name == "flux" else SD3Transformer2DModel
    return kind.from_pretrained(
        folder / "transformer",
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=four_bit,
            load_in_8bit=not four_bit,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
        ),
        dtype=dtype,
        device_map={"": device},
        use_safetensors=True,
    )
