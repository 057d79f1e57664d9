"""A run's state as named tensors and plain numbers: trained weights, optimizer, running mean. Exact both ways.

Noise, order and rate are functions of the step (`finetune.data.batches`, `finetune.optimizers`): the step is all of
theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from finetune.ema import Ema
from finetune.sharding import like, put, whole_state

Tensors = dict[str, Tensor]
CPU = torch.device("cpu")


def gather_state(
    parameters: Mapping[str, Parameter],
    optimizer: Optimizer,
    ema: Ema | None,
    *,
    device: torch.device = CPU,
    keep: bool = True,
) -> tuple[Tensors, dict[str, Any]]:
    """(tensors, numbers) of a run at rest, whole and on the CPU; no tensors where `keep` is False.

    What is divided among processes is gathered on `device`, for which every process must call.
    """
    tensors = {f"weight/{name}": parameter.detach() for name, parameter in parameters.items()}
    if ema is not None:
        tensors |= {f"ema/{name}": mean for name, mean in ema.means.items()}
    entries: dict[str, dict[str, Any]] = {}
    for name, parameter in parameters.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{name}/{key}"] = value.detach()
            else:
                entries.setdefault(name, {})[key] = value
    groups: list[dict[str, Any]] = []
    for i, group in enumerate(optimizer.param_groups):
        plain = {}
        for key, value in group.items():
            if key == "params":
                continue
            if isinstance(value, Tensor):
                tensors[f"group/{i}/{key}"] = value.detach()
            else:
                plain[key] = list(value) if isinstance(value, tuple) else value
        groups.append(plain)
    # Copies on the CPU: the file format refuses tensors that share memory.
    return whole_state(tensors, device, keep=keep), {"optimizer": entries, "groups": groups}


def restore_state(
    tensors: Mapping[str, Tensor],
    numbers: Mapping[str, Any],
    parameters: Mapping[str, Parameter],
    optimizer: Optimizer,
    ema: Ema | None,
) -> None:
    """Put a run back to where `gather_state` found it. Raises ValueError where the trained weights are others."""
    weights = {name.removeprefix("weight/") for name in tensors if name.startswith("weight/")}
    if weights != set(parameters):
        odd = sorted(weights ^ set(parameters))[0]
        raise ValueError(
            f"the checkpoint is of other trained weights ({odd}); begin a new run for these settings"
        )
    index = {parameter: name for name, parameter in parameters.items()}
    for name, parameter in parameters.items():
        put(parameter, tensors[f"weight/{name}"])
    if ema is not None:
        for name, mean in ema.means.items():
            put(mean, tensors[f"ema/{name}"])
    for i, (group, kept) in enumerate(zip(optimizer.param_groups, numbers["groups"], strict=True)):
        for key, value in kept.items():
            group[key] = tuple(value) if isinstance(group.get(key), tuple) else value
        for name, tensor in tensors.items():
            if name.startswith(f"group/{i}/"):
                group[name.split("/", 2)[2]] = tensor.clone()
    for parameter, name in index.items():
        state: dict[str, Any] = dict(numbers["optimizer"].get(name, {}))
        prefix = f"optimizer/{name}/"
        for key, tensor in tensors.items():
            if key.startswith(prefix):
                short = key.removeprefix(prefix)
                # AdamW counts its steps in a tensor that stays on the CPU.
                state[short] = tensor.clone() if short == "step" else like(parameter, tensor)
        if state:
            optimizer.state[parameter] = state
