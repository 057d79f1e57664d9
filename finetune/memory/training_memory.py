"""What a training run will hold in memory: weights, gradients, optimizer, activations, without loading the model.

The transformer is built on the meta device, where tensors have shapes and no storage, and called once at the size that
is trained: autograd then tells, tensor by tensor, what it would keep for the backward pass. Attention counts as a fused
kernel does it: queries, keys, values, output and one number a row.
Not here: what a run has measured (`finetune.dry_run`), memory of a render.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers import ModelMixin
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode

from finetune.backbones import FAMILIES, FamilyName
from finetune.config.run_config import FinetuneConfig
from finetune.lora.layers import add_lora
from finetune.memory.sharded_bytes import Resting, on_each_device

TEXT_TOKENS: Mapping[FamilyName, int] = {"sd3": 77 + 256, "flux": 512}
"""What the transformer attends to beside the picture."""

_BASE_BYTES = {"none": None, "int8": 1.0, "nf4": 0.5 + 4 / 64}
"""A weight of a quantised base; nf4 keeps a float32 scale for 64 of them."""

_OPTIMIZER_BYTES = {"adamw": 8, "adamw8bit": 2, "prodigy": 16}
"""For each trained weight."""


@dataclass(frozen=True, slots=True)
class TrainingMemory:
    """Bytes on one device, and what is trained. An estimate: fragmentation and workspaces come on top."""

    num_parameters: int
    num_trained: int
    lora_layers: tuple[str, ...]
    weights: int
    gradients: int
    optimizer: int
    ema: int
    activations: int
    """Kept for the backward pass of one batch; with checkpointing, block inputs and one block's own."""

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.ema + self.activations


def hollow_transformer(family: FamilyName, settings: Mapping[str, Any]) -> ModelMixin:
    """A transformer of a config.json's content, on the meta device."""
    with torch.device("meta"):
        made: ModelMixin = FAMILIES[family].transformer_class.from_config({**settings})
    return made


def training_memory(
    transformer: ModelMixin, family: FamilyName, config: FinetuneConfig, latent_shape: tuple[int, int, int]
) -> TrainingMemory:
    """Of one process that trains on latents of (C, h, w).

    Args:
        transformer: On the meta device, fresh: LoRA layers are put on it.
    """
    lora, half = config.method.kind == "lora", config.resources.precision != "fp32"
    num_parameters = sum(parameter.numel() for parameter in transformer.parameters())
    block_numbers, root_numbers = block_and_root(transformer)
    compute = torch.bfloat16 if half else torch.float32
    nn.Module.to(transformer, dtype=compute)  # the model's own would warn, and there are no numbers to lose
    layers: tuple[str, ...] = ()
    if lora:
        layers = add_lora(transformer, FAMILIES[family], config.method, seed=0)
    else:
        transformer.requires_grad_(True)
    num_trained = sum(parameter.numel() for parameter in transformer.parameters() if parameter.requires_grad)
    nn.Module.to(transformer, dtype=compute)
    per_base = _BASE_BYTES[config.method.quantise_base]
    if lora:
        weights = num_parameters * (compute.itemsize if per_base is None else per_base) + num_trained * 4
    else:  # float32 masters, and the copy that autocast makes of each for the step: a divided run gathers it instead
        weights = num_parameters * (4 + (2 if half and not config.resources.divided else 0))
    resting = on_each_device(
        Resting(
            weights=weights,
            gradients=4 * num_trained,
            optimizer=_OPTIMIZER_BYTES[config.optimizer.kind] * num_trained,
            ema=4 * num_trained if config.optimizer.ema_decay else 0,
        ),
        config.resources,
        block_numbers=block_numbers,
        root_numbers=root_numbers,
        trains_all=not lora,
    )
    return TrainingMemory(
        num_parameters=num_parameters,
        num_trained=num_trained,
        lora_layers=layers,
        weights=int(resting.weights),
        gradients=int(resting.gradients),
        optimizer=int(resting.optimizer),
        ema=int(resting.ema),
        activations=activation_bytes(
            transformer,
            family,
            latent_shape,
            batch_size=config.resources.batch_size,
            checkpointed=config.resources.gradient_checkpointing,
        ),
    )


def activation_bytes(
    transformer: ModelMixin,
    family: FamilyName,
    latent_shape: tuple[int, int, int],
    *,
    batch_size: int = 1,
    checkpointed: bool,
) -> int:
    """What autograd keeps of one forward pass, weights aside; with checkpointing also one block's during backward."""
    call = _call_of(transformer, family, latent_shape, batch_size)
    if not checkpointed:
        transformer.disable_gradient_checkpointing()
        return _kept_bytes(transformer, call)
    transformer.enable_gradient_checkpointing()
    blocks = _blocks(transformer)
    with _first_inputs(blocks) as inputs:
        kept = _kept_bytes(transformer, call)
    transformer.disable_gradient_checkpointing()
    largest = 0
    for kind in {type(block) for block in blocks}:
        block = next(each for each in blocks if type(each) is kind)
        given, named = inputs[id(block)]
        largest = max(largest, _kept_bytes(block, partial(block, *given, **named)))
    return kept + largest


class _Fused(torch.autograd.Function):
    """Keeps what flash attention keeps."""

    @staticmethod
    def forward(context: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = query.new_empty((*query.shape[:-1], value.shape[-1]))
        rows = query.new_empty(query.shape[:-1], dtype=torch.float32)
        context.save_for_backward(query, key, value, out, rows)
        return out

    @staticmethod
    def backward(
        context: Any, *gradients: Tensor
    ) -> Any:  # pragma: no cover -- nothing is ever run backward here
        raise NotImplementedError("this attention is called to count what it keeps, forward alone")


class _FusedAttention(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = {} if kwargs is None else kwargs
        if func is nn.functional.scaled_dot_product_attention:
            query, key, value = (*args, *(named[n] for n in ("query", "key", "value") if n in named))[:3]
            return _Fused.apply(query, key, value)
        return func(*args, **named)


def _kept_bytes(module: nn.Module, call: Callable[[], Any]) -> int:
    """Bytes of distinct storages kept for backward; the module's own weights are not counted."""
    own = {parameter.untyped_storage()._cdata for parameter in module.parameters()}
    own |= {buffer.untyped_storage()._cdata for buffer in module.buffers()}
    seen: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage()._cdata
        if place not in own:
            seen[place] = tensor  # held, so that no other storage takes its place
        return tensor

    with torch.enable_grad(), saved_tensors_hooks(keep, lambda tensor: tensor), _FusedAttention():
        call()
    return sum(tensor.untyped_storage().nbytes() for tensor in seen.values())


def block_and_root(transformer: ModelMixin) -> tuple[int, int]:
    """(numbers of the largest block of layers, of all layers outside blocks)."""
    sizes = [sum(parameter.numel() for parameter in block.parameters()) for block in _blocks(transformer)]
    return max(sizes), sum(parameter.numel() for parameter in transformer.parameters()) - sum(sizes)


def _blocks(transformer: ModelMixin) -> list[nn.Module]:
    lists = (getattr(transformer, name, ()) for name in ("transformer_blocks", "single_transformer_blocks"))
    return [block for blocks in lists for block in blocks]


@contextmanager
def _first_inputs(blocks: list[nn.Module]) -> Iterator[dict[int, tuple[Any, Any]]]:
    """What each block is given, apart from the graph it came by."""
    inputs: dict[int, tuple[Any, Any]] = {}

    def fresh(value: Any) -> Any:
        if isinstance(value, Tensor) and value.is_floating_point():
            return value.detach().requires_grad_()
        return tuple(map(fresh, value)) if isinstance(value, tuple) else value

    def listen(block: nn.Module, args: Any, named: Any) -> None:
        inputs.setdefault(id(block), (fresh(args), {name: fresh(value) for name, value in named.items()}))

    handles = [block.register_forward_pre_hook(listen, with_kwargs=True) for block in blocks]
    try:
        yield inputs
    finally:
        for handle in handles:
            handle.remove()


def _call_of(
    transformer: ModelMixin, family: FamilyName, latent_shape: tuple[int, int, int], batch_size: int
) -> Callable[[], Any]:
    config = transformer.config
    parameter = next(transformer.parameters())
    device, dtype = parameter.device, parameter.dtype

    def empty(*shape: int) -> Tensor:
        return torch.zeros(batch_size, *shape, device=device, dtype=dtype)

    guided = bool(config.get("guidance_embeds", False))
    return lambda: FAMILIES[family].velocity(
        transformer,
        empty(*latent_shape),
        torch.zeros(batch_size, device=device, dtype=dtype),
        empty(TEXT_TOKENS[family], config.joint_attention_dim),
        empty(config.pooled_projection_dim),
        guidance_embed=3.5 if guided else None,
    )
