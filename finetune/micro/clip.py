"""Stage `clip`: a small CLIP on scenes and captions. Its text tower conditions Micro-4K; the whole scores it offline.

Contrastive loss, plus a light one that asks both towers for the scene's attributes and, of a known place, which it is,
so that none is overlooked: what the pooled embedding tells, the transformer need not read from noise.
Not here: the classifier that judges the finished model (`judge`); it shares nothing with this one.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from finetune.backbones.native_dtype import quickest_autocast
from finetune.micro.bank import Entry, entries
from finetune.micro.captions import WORDS, caption, mirrored, place_words
from finetune.micro.scenes.description import PLACES, SIDES, SKIES, TERRAINS, TIMES, Scene, random_scene
from finetune.micro.training import set_learning_rate

WIDTH, LAYERS, HEADS, PROJECTION = 128, 4, 4, 128
MAX_TOKENS = 48
IMAGE_PX, PATCH_PX = 128, 16
BATCH = 64
PEAK_LEARNING_RATE = 1.5e-3
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
START, END = "<|startoftext|>", "<|endoftext|>"


def new_tokenizer(folder: Path) -> CLIPTokenizer:
    """Learn byte pairs from captions and save a CLIP tokenizer: any other text falls back to letters."""
    rng = random.Random(0)
    texts = [caption(random_scene(seed), rng) for seed in range(4000)]
    learned = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    learned.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    learned.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1000, initial_alphabet=alphabet, end_of_word_suffix="</w>", min_frequency=2
    )
    learned.train_from_iterator(texts, trainer)
    state = json.loads(learned.to_str())["model"]
    vocabulary: dict[str, int] = state["vocab"]
    for letter in sorted(alphabet):  # a lone letter can also end a word
        vocabulary.setdefault(f"{letter}</w>", len(vocabulary))
    for special in (START, END):
        vocabulary[special] = len(vocabulary)
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in state["merges"]]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    tokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=MAX_TOKENS)
    tokenizer.save_pretrained(folder)
    return tokenizer


def new_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    vocabulary = tokenizer.get_vocab()
    ends = {
        "bos_token_id": vocabulary[START],
        "eos_token_id": vocabulary[END],
        "pad_token_id": vocabulary[END],
    }
    tower = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "projection_dim": PROJECTION,
    }
    text = {
        **tower,
        **ends,
        "vocab_size": max(vocabulary.values()) + 1,
        "max_position_embeddings": MAX_TOKENS,
    }
    vision = {**tower, "image_size": IMAGE_PX, "patch_size": PATCH_PX}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=PROJECTION))


ATTRIBUTES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("terrain", TERRAINS),
    ("time", TIMES),
    ("sky", SKIES),
    ("side", SIDES),
)
FLAGS = ("snow", "lake", "autumn")
KNOWN_PLACES = [(terrain, seed) for terrain, seeds in PLACES.items() for seed in seeds]
UNSAID = -100
"""In place of a class index: no answer is asked for."""


def labels(scene: Scene) -> list[int]:
    """The scene's attributes as class indices: ATTRIBUTES, FLAGS, and which of KNOWN_PLACES, if any."""
    named = [values.index(getattr(scene, name)) for name, values in ATTRIBUTES]
    place = (scene.terrain, scene.seed)
    known = KNOWN_PLACES.index(place) if place in KNOWN_PLACES else UNSAID
    return [*named, *(int(getattr(scene, flag)) for flag in FLAGS), known]


class AttributeHeads(nn.Module):
    """Linear heads from an embedding to every attribute."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = [*(len(values) for _, values in ATTRIBUTES), *(2 for _ in FLAGS), len(KNOWN_PLACES)]
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in sizes)

    def losses(self, embedding: Tensor, wanted: Tensor) -> Tensor:
        """Mean cross entropy over attributes; wanted: (N, 8) class indices, or UNSAID."""
        terms = [
            F.cross_entropy(head(embedding), wanted[:, i], ignore_index=UNSAID)
            for i, head in enumerate(self.heads)
        ]
        return torch.stack([t for t in terms if not t.isnan()]).mean()


class ClipStage:
    """Both towers, from nothing."""

    name = "clip"

    def __init__(self, bank: Path, folder: Path) -> None:
        torch.manual_seed(0)
        self.tokenizer = new_tokenizer(folder / "tokenizer")
        self.clip = new_clip(self.tokenizer)
        self.image_heads, self.text_heads = AttributeHeads(PROJECTION), AttributeHeads(PROJECTION)
        self.modules: dict[str, nn.Module] = {
            "clip": self.clip,
            "image_heads": self.image_heads,
            "text_heads": self.text_heads,
        }
        parameters = [p for module in self.modules.values() for p in module.parameters()]
        self.optimizers = {
            "clip": torch.optim.AdamW(parameters, PEAK_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.05)
        }
        self.pictures, self.scenes = small_pictures(entries(bank))

    def step(self, progress: float, generator: torch.Generator) -> dict[str, float]:
        set_learning_rate(self.optimizers["clip"], PEAK_LEARNING_RATE, progress)
        rng = random.Random(int(torch.randint(2**31, (1,), generator=generator)))
        chosen = [rng.randrange(len(self.scenes)) for _ in range(BATCH)]
        flips = [
            rng.random() < 0.5 and not place_words(self.scenes[i]) for i in chosen
        ]  # a place has its sides
        scenes = [
            mirrored(self.scenes[i]) if flip else self.scenes[i]
            for i, flip in zip(chosen, flips, strict=True)
        ]
        pixels = torch.stack(
            [
                self.pictures[i].flip(-1) if flip else self.pictures[i]
                for i, flip in zip(chosen, flips, strict=True)
            ]
        )
        wanted = torch.tensor([labels(scene) for scene in scenes])
        said = [caption(scene, rng) for scene in scenes]
        tokens = self.tokenizer(
            said, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        with quickest_autocast(torch.device("cpu")):
            out = self.clip(input_ids=tokens.input_ids, pixel_values=normalise(pixels))
        image, text = out.image_embeds.float(), out.text_embeds.float()
        logits = image @ text.T * self.clip.logit_scale.exp()
        same = torch.arange(BATCH)
        contrast = 0.5 * (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same))
        told = torch.tensor([heard(scene, words) for scene, words in zip(scenes, said, strict=True)])
        attributes = self.image_heads.losses(image * 8, wanted) + self.text_heads.losses(text * 8, told)
        loss = contrast + attributes
        self.optimizers["clip"].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.clip.parameters(), 1.0)
        self.optimizers["clip"].step()
        with torch.no_grad():
            self.clip.logit_scale.clamp_(max=4.6)
        return {"contrast": contrast.item(), "attributes": attributes.item()}


def heard(scene: Scene, words: str) -> list[int]:
    """`labels`, with UNSAID for what the caption leaves out."""
    all_labels = labels(scene)
    said = [
        _says(words, "terrain", scene),
        _says(words, "time", scene),
        _says(words, "sky", scene),
        any(side in words for side in ("left", "right", "centre", "middle")),
        any(w in words for w in ("snow", "winter")),
        any(w in words for w in ("lake", "still water")),
        any(w in words for w in ("autumn", "red and gold")),
        any(w in words for w in place_words(scene)),
    ]
    return [label if is_said else UNSAID for label, is_said in zip(all_labels, said, strict=True)]


def _says(words: str, attribute: str, scene: Scene) -> bool:
    return any(synonym in words for synonym in WORDS[attribute][getattr(scene, attribute)])


def normalise(pixels: Tensor) -> Tensor:
    """(N, 3, 128, 128) uint8 -> float32, as the image tower expects."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return (pixels.float() / 255 - mean) / std


def small_pictures(pictures: list[Entry]) -> tuple[list[Tensor], list[Scene]]:
    """Every picture averaged down to 128 x 128 (squeezed where it is not square), (3, 128, 128) uint8."""
    shrunk = [shrink(np.asarray(entry.pixels())) for entry in pictures if entry.group.width_px <= 1024]
    return shrunk, [entry.scene for entry in pictures if entry.group.width_px <= 1024]


def shrink(pixels: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 -> (3, 128, 128) uint8 by area averaging."""
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float()
    return F.adaptive_avg_pool2d(image, IMAGE_PX)[0].round().to(torch.uint8)
