"""How many bytes of tensors are alive at once while something runs, on the meta device or any other.

Every operator's results are noted when they appear and forgotten when their storage is given back, so the count follows
the same Python references that keep tensors alive on a GPU. Not counted: what an operator uses inside itself
(workspaces), and what the allocator leaves unused between blocks.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def peak_live_bytes(call: Callable[[], Any]) -> int:
    """Run `call` without gradients and return the most bytes that tensors made by it held at one moment.

    What existed before, weights and inputs, is not counted. Attention counts as a fused kernel does it: no matrix
    of scores.
    """
    with torch.no_grad(), FusedAttention(), _Tally() as tally:
        call()
    return tally.peak


class FusedAttention(TorchFunctionMode):
    """Attention of meta tensors makes its output and nothing beside."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = {} if kwargs is None else kwargs
        if func is torch.nn.functional.scaled_dot_product_attention:
            query, _, value = (*args, *(named[n] for n in ("query", "key", "value") if n in named))[:3]
            if query.is_meta:
                return query.new_empty((*query.shape[:-1], value.shape[-1]))
        return func(*args, **named)


class _Tally(TorchDispatchMode):
    """Follows storages from birth to death."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = {} if kwargs is None else kwargs
        given = {_place(leaf) for leaf in tree_leaves((args, named)) if isinstance(leaf, Tensor)}
        result = func(*args, **named)
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._note(leaf, given)
        return result

    def _note(self, tensor: Tensor, given: set[int]) -> None:
        place = _place(tensor)
        if place in self._known or place in given:  # a view, or done in place
            return
        storage = tensor.untyped_storage()
        size = storage.nbytes()
        self._known.add(place)
        self._now += size
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._forget, place, size)

    def _forget(self, place: int, size: int) -> None:
        self._known.discard(place)
        self._now -= size


def _place(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
