"""Patches made into tokens by a matrix product on CPUs, for their convolution of it may be wrong.

oneDNN 3.x, inside PyTorch, returns wrong numbers without a word for some bfloat16 convolutions on CPUs with AMX
(pytorch/pytorch#169688, uxlfoundation/oneDNN#5494). Measured with PyTorch 2.14.1: 16 input channels with kernel and
stride 4, 8 or 12 are off by four fifths of their norm, so that a picture comes out as a mosaic. A projection of
patches that do not overlap is a matrix product, which those CPUs compute rightly.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class PatchProjection(nn.Conv2d):
    """A convolution of square patches that neither overlap nor leave gaps; the same parameters under the same names."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, D, H // p, W // p), what `nn.Conv2d` defines."""
        if input.device.type != "cpu":
            return super().forward(input)
        side = self.kernel_size[0]
        height, width = (length // side * side for length in input.shape[-2:])
        # One patch's numbers lie as one output's weights do: channel, row, column.
        patches = functional.pixel_unshuffle(input[..., :height, :width], side).movedim(1, -1)
        return functional.linear(patches, self.weight.flatten(1), self.bias).movedim(-1, 1)


def project_patches_by_products(model: nn.Module) -> int:
    """Give every patch projection in `model`, in place, the forward of `PatchProjection`; returns how many."""
    found = [part for part in model.modules() if type(part) is nn.Conv2d and _projects_patches(part)]
    for part in found:
        part.__class__ = PatchProjection
    return len(found)


def _projects_patches(part: nn.Conv2d) -> bool:
    side = part.kernel_size[0]
    return (
        part.kernel_size == part.stride == (side, side)
        and part.padding in ((0, 0), 0)
        and part.dilation == (1, 1)
        and part.groups == 1
    )
