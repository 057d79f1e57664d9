"""One model divided among processes, or resting in main memory: torch's fully sharded data parallel, as ZeRO-3.

Each process keeps a slice of every weight, gradient and optimizer state; a block of layers is gathered just before it
computes and let go of after it (Rajbhandari et al. 2020, arXiv 1910.02054; Zhao et al. 2023, arXiv 2304.11277). With
`cpu_offload` the slices lie in main memory and only what computes is on the GPU, which helps one GPU too.
Not here: what it saves (`finetune.memory.sharded_bytes`), which steps are taken (`finetune.loop`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from accelerate import Accelerator
from diffusers import ModelMixin
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn import Parameter

from finetune.config.run_config import ResourceConfig

T = TypeVar("T")

BLOCKS = ("transformer_blocks", "single_transformer_blocks")


def mesh_of(device: torch.device) -> DeviceMesh:
    """All processes in a row; a process that is alone becomes a world of one."""
    if not dist.is_initialized():
        backend = "nccl" if device.type == "cuda" else "gloo"
        store = dist.HashStore()  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=0, world_size=1)
    return init_device_mesh(device.type, (dist.get_world_size(),))


def one_at_a_time(accelerator: Accelerator, work: Callable[[], T]) -> T:
    """Do the work in one process of a machine after the other: loading a whole model fits its memory once."""
    made: list[T] = []
    for turn in range(local_world_size()):
        if turn == accelerator.local_process_index:
            made.append(work())
        accelerator.wait_for_everyone()
    return made[0]


def shard(transformer: ModelMixin, resources: ResourceConfig, mesh: DeviceMesh) -> None:
    """Divide a transformer in place, block by block. Its weights may still lie on the CPU.

    Weights gathered for a block come in the run's precision, gradients are added up in float32.
    """
    half = {"bf16": torch.bfloat16, "fp32": None}[resources.precision]
    options: dict[str, Any] = {
        "mesh": mesh,
        # Inputs stay as they are: a timestep rounded to bfloat16 would be another one.
        "mp_policy": MixedPrecisionPolicy(
            param_dtype=half, reduce_dtype=torch.float32, cast_forward_inputs=False
        ),
    }
    if resources.cpu_offload:
        options["offload_policy"] = CPUOffloadPolicy(pin_memory=mesh.device_type == "cuda")
    for name in BLOCKS:
        for block in getattr(transformer, name, ()):
            fully_shard(block, **options)
    fully_shard(transformer, **options)


def let_go(transformer: nn.Module) -> None:
    """Forget gathered weights. Without a backward pass some stay, and would not see the slices change."""
    for module in transformer.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def whole(tensor: Tensor, device: torch.device, *, keep: bool = True) -> Tensor:
    """A copy of all of a divided tensor on the CPU, gathered on the device; every process must ask for it.

    With `keep=False` an empty tensor: for processes that only take part.
    """
    full = tensor.detach()
    if isinstance(full, DTensor):
        full = cast(DTensor, full.to(device)).full_tensor()
    return full.to("cpu", copy=True) if keep else torch.empty(0)


def put(target: Tensor, value: Tensor) -> None:
    """Write a whole tensor into `target`, or this process's slice of it. No word goes between processes."""
    if isinstance(target, DTensor):
        value = value.to(device=target.device_mesh.device_type, dtype=target.dtype)
        slices = distribute_tensor(value, target.device_mesh, target.placements, src_data_rank=None)
        target, value = target.to_local(), slices.to_local()
    with torch.no_grad():
        target.copy_(value)


def like(parameter: Parameter, value: Tensor) -> Tensor:
    """A whole tensor divided as `parameter` is, on its device."""
    if not isinstance(parameter, DTensor):
        return value.to(parameter.device, copy=True)
    made = torch.zeros_like(parameter, dtype=value.dtype, requires_grad=False)
    put(made, value)
    return made


def clip_divided(parameters: Iterable[Parameter], limit: float, accelerator: Accelerator) -> Tensor:
    """Scale gradients so that their common norm is at most `limit`; returns the norm before, as torch's own does."""
    found = [p.grad.to_local() for p in parameters if isinstance(p.grad, DTensor)]
    squares = torch.zeros((), dtype=torch.float64)
    for gradient in found:
        squares += gradient.float().square().sum().double().cpu()
    squares = squares.float().to(accelerator.device)
    if accelerator.num_processes > 1:
        squares = accelerator.reduce(squares, "sum")
    norm = squares.sqrt()
    scale = (limit / (norm + 1e-6)).clamp(max=1.0)
    for gradient in found:
        gradient.mul_(scale.to(gradient.device))
    return norm


def whole_state(state: Mapping[str, Tensor], device: torch.device, *, keep: bool) -> dict[str, Tensor]:
    """`whole` of each; empty where it is not kept."""
    gathered = {name: whole(tensor, device, keep=keep) for name, tensor in state.items()}
    return gathered if keep else {}


def local_world_size() -> int:
    """Processes of this run on this machine, as the launcher says."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
