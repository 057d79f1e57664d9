"""Stage `judge`: an independent classifier of terrain, time and sky, trained on renders alone.

It says whether Micro-4K's pictures show what their prompts asked for. It shares no weights, and no loss, with the CLIP
that conditions the model.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from finetune.micro.bank import entries
from finetune.micro.clip import shrink, small_pictures
from finetune.micro.scenes.description import SKIES, TERRAINS, TIMES, Scene
from finetune.micro.training import set_learning_rate

ASKED: tuple[tuple[str, tuple[str, ...]], ...] = (("terrain", TERRAINS), ("time", TIMES), ("sky", SKIES))
BATCH, PEAK_LEARNING_RATE = 48, 2e-3


class Judge(nn.Module):
    """Five strided convolutions over 128 x 128, then a linear head for each question."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 72, 96, 128)
        self.features = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU())
                for before, after in itertools.pairwise(widths)
            )
        )
        self.heads = nn.ModuleList(nn.Linear(128 * 4, len(values)) for _, values in ASKED)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """(N, 3, 128, 128) in [0, 1] -> logits for terrain, time and sky."""
        x = F.adaptive_avg_pool2d(self.features(pixels - 0.4), (4, 1)).flatten(1)  # sky above, ground below
        return [head(F.dropout(x, 0.2, self.training)) for head in self.heads]


class JudgeStage:
    name = "judge"

    def __init__(self, bank: Path) -> None:
        torch.manual_seed(0)
        self.judge = Judge()
        self.modules: dict[str, nn.Module] = {"judge": self.judge}
        self.optimizers = {
            "judge": torch.optim.AdamW(self.judge.parameters(), PEAK_LEARNING_RATE, weight_decay=0.05)
        }
        pictures, self.scenes = small_pictures(entries(bank))
        self.pictures = torch.stack(pictures)

    def step(self, progress: float, generator: torch.Generator) -> dict[str, float]:
        set_learning_rate(self.optimizers["judge"], PEAK_LEARNING_RATE, progress)
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        chosen = [rng.randrange(len(self.scenes)) for _ in range(BATCH)]
        pixels = self.pictures[chosen].float() / 255
        wanted = wanted_answers([self.scenes[i] for i in chosen])
        answers = self.judge(_disturbed(pixels, rng, generator))
        loss = sum((F.cross_entropy(a, w) for a, w in zip(answers, wanted, strict=True)), torch.zeros(()))
        self.optimizers["judge"].zero_grad()
        loss.backward()
        self.optimizers["judge"].step()
        right = [float((a.argmax(1) == w).float().mean()) for a, w in zip(answers, wanted, strict=True)]
        return {"loss": loss.item()} | {name: r for (name, _), r in zip(ASKED, right, strict=True)}


def _disturbed(pixels: Tensor, rng: random.Random, generator: torch.Generator) -> Tensor:
    """Mirror, shift, blur, noise and a little exposure: what must not change a verdict."""
    if rng.random() < 0.5:
        pixels = pixels.flip(-1)
    pixels = torch.roll(pixels, (rng.randint(-4, 4), rng.randint(-12, 12)), (-2, -1))
    if rng.random() < 0.4:
        pixels = F.interpolate(F.avg_pool2d(pixels, 2), scale_factor=2.0, mode="bilinear")
    noise = torch.randn(pixels.shape, generator=generator) * rng.uniform(0, 0.04)
    return (pixels * rng.uniform(0.92, 1.08) + noise).clamp(0, 1)


def wanted_answers(scenes: list[Scene]) -> list[Tensor]:
    """Class indices, one tensor (N,) a question."""
    return [torch.tensor([values.index(getattr(scene, name)) for scene in scenes]) for name, values in ASKED]


@torch.inference_mode()
def verdicts(judge: Judge, pictures: list[np.ndarray]) -> list[Tensor]:
    """Answers to the three questions for (H, W, 3) uint8 pictures of any size, (N,) each."""
    pixels = torch.stack([shrink(picture) for picture in pictures]).float() / 255
    return [answer.argmax(1) for answer in judge.eval()(pixels)]


def save_judge(judge: Judge, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.half().contiguous() for name, tensor in judge.state_dict().items()}, path)


def load_judge(path: Path) -> Judge:
    judge = Judge()
    judge.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    return judge.eval()
