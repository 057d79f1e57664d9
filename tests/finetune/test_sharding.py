"""A divided run takes the steps of an undivided one, keeps the same files, and goes on from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from finetune import train
from finetune.config.files import from_values
from finetune.run_folder import RunFolder
from studio.training.command import start_training, training_command
from tests.finetune.training_runs import new_run, write_dataset
from tests.tiny_models import tiny_flux_pipeline, tiny_sd3_pipeline

pytestmark = pytest.mark.process

LAST = "step-000006/state.safetensors"
RESULT = {
    "lora": "adapter/pytorch_lora_weights.safetensors",
    "full": "transformer/diffusion_pytorch_model.safetensors",
}
METHODS: dict[str, dict[str, Any]] = {
    "lora": {"method": {"kind": "lora", "rank": 4}, "optimizer": {"learning_rate": 1e-2, "ema_decay": 0.5}},
    "full": {"method": {"kind": "full"}, "optimizer": {"learning_rate": 1e-3, "max_grad_norm": 0.1}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("divided")
    tiny_sd3_pipeline().save_pretrained(made / "sd3")
    tiny_flux_pipeline().save_pretrained(made / "flux")
    write_dataset(made / "data")
    return made


def make(folder: Path, name: str, kind: str, *, base: str = "sd3", **resources: Any) -> RunFolder:
    sections = {name: dict(section) for name, section in METHODS[kind].items()}
    return new_run(
        folder / "runs",
        folder / base,
        folder / "data",
        data={"cache": str(folder / f"cache-{base}")},
        resources=resources,
        schedule={"num_steps": 6, "checkpoint_every": 2},
        validation={"every": 3, "num_examples": 2},
        samples={
            "every": 6,
            "prompts": ["a red hill"],
            "width_px": 64,
            "height_px": 64,
            "num_inference_steps": 2,
        },
        output={"name": name},
        **sections,
    )


def launched(run: RunFolder, *, from_step: int | None = None) -> None:
    """As the studio starts it."""
    code = start_training(run.path, training_command(run.path, from_step=from_step)).wait(timeout=240)
    assert code == 0, (run.path / "console.txt").read_text()


def assert_same(
    one: RunFolder, other: RunFolder, result: str, *, tolerance: float, as_wholes: bool = False
) -> None:
    """Losses and weights alike; `as_wholes`: each tensor's root mean square, and its elements ten times as far."""
    for file_name in ("steps.jsonl", "validation.jsonl"):
        rows = [
            {
                row["step"]: (row["loss"], row.get("grad_norm", 0.0))
                for row in run.rows(file_name)
                if "loss" in row
            }
            for run in (one, other)
        ]
        assert rows[0].keys() == rows[1].keys()
        assert len(rows[0]) >= 3
        for step, numbers in rows[0].items():
            assert rows[1][step] == pytest.approx(numbers, rel=tolerance, abs=tolerance), (file_name, step)
    for path in (f"checkpoints/{LAST}", result):
        tensors = [load_file(run.path / path) for run in (one, other)]
        assert tensors[0].keys() == tensors[1].keys()
        for name, tensor in tensors[0].items():
            # Adam divides a gradient by its own size, so where one is nearly nought its rounding shows in that element.
            each = 10 * tolerance if as_wholes else tolerance
            torch.testing.assert_close(tensors[1][name], tensor, atol=each, rtol=each)
            if as_wholes and tensor.is_floating_point():
                apart = (tensors[1][name] - tensor).double().square().mean().sqrt()
                assert apart <= tolerance * (1 + tensor.double().square().mean().sqrt()), name
    pictures = [np.asarray(Image.open(run.samples / "000006-00.png")).astype(int) for run in (one, other)]
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


@pytest.mark.parametrize("kind", ["full", pytest.param("lora", marks=pytest.mark.slow)])
def test_two_processes_that_share_a_model_equal_one_that_holds_it(folder: Path, kind: str) -> None:
    one = make(folder, f"{kind}-one", kind, accumulation=2)
    assert train.main([str(one.path)]) == 0
    two = make(folder, f"{kind}-two", kind, processes=2, sharded=True)
    launched(two)
    assert_same(one, two, RESULT[kind], tolerance=1e-5)
    if kind == "lora":
        launched(two, from_step=2)  # moments and running means are divided again as they were
        assert [row["restart"] for row in two.rows() if "restart" in row] == [2]
        assert_same(one, two, RESULT[kind], tolerance=1e-5)


def test_one_process_may_let_its_model_rest_in_main_memory(folder: Path) -> None:
    plain = make(folder, "flux-plain", "lora", base="flux", gradient_checkpointing=True)
    assert train.main([str(plain.path)]) == 0
    resting = make(folder, "flux-resting", "lora", base="flux", gradient_checkpointing=True, cpu_offload=True)
    launched(resting)
    assert_same(plain, resting, RESULT["lora"], tolerance=1e-5, as_wholes=True)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        (
            {"resources": {"sharded": True, "precision": "fp16"}},
            "sharded does not go with resources.precision",
        ),
        ({"resources": {"cpu_offload": True}, "optimizer": {"kind": "adamw8bit"}}, "set that to adamw"),
        ({"resources": {"sharded": True}, "method": {"quantise_base": "nf4"}}, "set that to none"),
    ],
)
def test_what_cannot_be_divided_is_refused(sections: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_values({"data": {"source": "x"}, **sections})


def test_a_launcher_that_divides_is_told_where_the_setting_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from accelerate.utils import DistributedType

    class Sharding:
        def __init__(self, **_: Any) -> None:
            self.device = torch.device("cpu")
            self.distributed_type = DistributedType.FSDP

    monkeypatch.setattr("accelerate.Accelerator", Sharding)
    run = make(folder, "told", "lora")
    assert train.main([str(run.path)]) == 1
    assert "set resources.sharded = true" in run.state().message
