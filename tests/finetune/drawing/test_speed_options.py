"""Each option on a tiny transformer: what it changes, what it leaves, and that it comes off again."""

from __future__ import annotations

import pytest
import torch

from finetune.drawing.speed_names import ATTENTION_BACKENDS, SpeedOptions
from finetune.drawing.speed_options import attention_trouble, sped_up
from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline

NUM_STEPS = 24


def draw(pipeline: object) -> torch.Tensor:
    return pipeline(  # type: ignore[operator]
        prompt="sea", width=128, height=128, num_inference_steps=NUM_STEPS, output_type="latent",
        generator=torch.Generator().manual_seed(0),
    ).images  # fmt: skip


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", SpeedOptions()),
        ("compile", SpeedOptions(compile=True)),
        ("first_block_cache", SpeedOptions(cache_threshold=0.08)),
        (" attention:sage , first_block_cache:0.2 ", SpeedOptions("sage", False, 0.2)),
    ],
)
def test_names_are_read(text: str, options: SpeedOptions) -> None:
    assert SpeedOptions.parse(text) == options
    assert SpeedOptions.parse(str(options)) == options
    assert options.is_repeatable == (options.cache_threshold is None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fast", "there is no speed option 'fast'; choose compile, first_block_cache:0.08 or attention:NAME"),
        ("compile:1", "there is no speed option"),
        ("attention:none", "there is no attention 'none'; choose one of native"),
        ("attention:flash_hub", "there is no attention"),
        ("first_block_cache:0", "above 0 and at most at 0.5, got '0'"),
        ("first_block_cache:nan", "above 0 and at most"),
        ("first_block_cache:x", "above 0 and at most"),
        ("compile,compile", "compile is named twice"),
    ],
)
def test_bad_names_are_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SpeedOptions.parse(text)


def test_a_cache_that_never_skips_changes_nothing_and_one_that_does_takes_fewer_blocks() -> None:
    pipeline = tiny_flux_pipeline()
    calls = []
    pipeline.transformer.single_transformer_blocks[0].norm.register_forward_pre_hook(
        lambda *_: calls.append(1)
    )
    exact = draw(pipeline)
    assert len(calls) == NUM_STEPS
    with sped_up(pipeline.transformer, SpeedOptions(cache_threshold=1e-9)):
        torch.testing.assert_close(draw(pipeline), exact)
    calls.clear()
    with sped_up(pipeline.transformer, SpeedOptions(cache_threshold=0.5)):
        rough = draw(pipeline)
        assert torch.equal(draw(pipeline), rough), "nothing is left over from the picture before"
    assert len(calls) < 2 * NUM_STEPS
    assert not torch.equal(rough, exact)
    assert torch.equal(draw(pipeline), exact)


def test_another_attention_is_the_same_sum() -> None:
    pipeline = tiny_flux_pipeline()
    exact = draw(pipeline)
    with sped_up(pipeline.transformer, SpeedOptions(attention="_native_math")):
        processor = pipeline.transformer.transformer_blocks[0].attn.processor
        assert str(processor._attention_backend.value) == "_native_math"
        torch.testing.assert_close(draw(pipeline), exact, rtol=1e-3, atol=1e-4)
    assert processor._attention_backend is None
    assert torch.equal(draw(pipeline), exact)


def test_what_is_not_installed_is_told() -> None:
    assert attention_trouble("native") is None
    missing = [name for name in ATTENTION_BACKENDS if attention_trouble(name) is not None]
    for name in missing:
        with (
            pytest.raises(ValueError, match=f"attention {name} is not installed"),
            sped_up(tiny_flux_pipeline().transformer, SpeedOptions(attention=name)),
        ):
            pass


@pytest.mark.parametrize("option", ["first_block_cache", "attention:native"])
def test_what_sd3_cannot_have_is_told(option: str) -> None:
    with (
        pytest.raises(ValueError, match="for FLUX models"),
        sped_up(tiny_sd3_pipeline().transformer, SpeedOptions.parse(option)),
    ):
        pass


def test_compiled_blocks_come_off_again() -> None:
    transformer = tiny_sd3_pipeline().transformer
    blocks = list(transformer.transformer_blocks)
    with sped_up(transformer, SpeedOptions(compile=True)):
        assert all(block._compiled_call_impl is not None for block in blocks)
    assert all(block._compiled_call_impl is None for block in blocks)
