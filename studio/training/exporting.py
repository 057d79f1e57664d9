"""What a run made, in the form that others read: a LoRA for diffusers or ComfyUI, or a whole pipeline folder.

torch is imported only by the two functions that write. Not here: publishing (`studio.training.publishing`), the LoRA of
a checkpoint (`finetune.checkpoint_adapter`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from finetune.model_folder import ModelFolder
from finetune.run_folder import RunFolder
from finetune.weight_files import read_header
from studio.home.disk import require_writable
from studio.models.adapters import RUN_FILE
from studio.models.catalogue import ModelEntry
from studio.models.lookup import check_is_folder, find_model
from studio.training.export_request import ExportFormat


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    path: Path
    words: str
    """How it fitted the model, in one line."""

    unused: Mapping[str, str] = field(default_factory=dict)
    """Key of the LoRA that changes no layer -> one sentence why."""


def export_full(run: Path, format: ExportFormat, *, out: Path | None, base: str | None) -> Exported:
    """Write the whole pipeline of a full run's transformer."""
    if format != "merged":
        raise ValueError(
            f"{run.name} trained every weight, so there is no LoRA to write; ask for --format merged"
        )
    entry = _base_model({"base": RunFolder(run).config().model.base}, base)

    from finetune.lora.merge import with_transformer

    target = run / f"{run.name}-merged" if out is None else out
    require_writable(target)
    with_transformer(entry.source if entry.folder is None else entry.folder, run / "transformer", target)
    return Exported(target, f"a pipeline folder, {entry.title} with the trained transformer")


def export_adapter(
    path: Path, format: ExportFormat, *, out: Path | None, base: str | None, weight: float
) -> Exported:
    """Export one LoRA file. Raises ValueError for a file that fits no layer of its model."""
    metadata = dict(read_header(path).metadata)
    entry = _base_model(metadata, base)

    from finetune.backbones.checkpoints import pipeline_folder
    from finetune.lora.files import diffusers_state, kohya_state, read_adapter, write_adapter
    from finetune.lora.merge import folder_shapes, merge_adapters

    source = entry.source if entry.folder is None else entry.folder
    target = _target(path, format) if out is None else out
    require_writable(target)
    if format == "merged":
        (report,) = merge_adapters(source, [(path, weight)], target)
        return Exported(target, report.words(), report.unmatched)
    if target.suffix != ".safetensors":
        raise ValueError(f"a LoRA is written to a .safetensors file, got {target.name}; change --out")
    shapes = folder_shapes(pipeline_folder(source))
    adapter = read_adapter(path, family=entry.family, shapes=shapes)
    if not adapter.pairs:
        raise ValueError(
            f"{path.name} fits no layer of {entry.title}; name the model that it was made for with --base"
        )
    if format == "comfyui":
        state = kohya_state(adapter.pairs, family=entry.family, shapes=shapes)
    else:
        state = diffusers_state(adapter.pairs)
    kept = {
        name: value for name, value in metadata.items() if name not in ("format", "lora_adapter_metadata")
    }
    return Exported(write_adapter(target, state, kept), adapter.report.words(), adapter.report.unmatched)


def _base_model(header: dict[str, str], base: str | None) -> ModelEntry:
    named = header.get("base") if base is None else base
    if named is None:
        raise ValueError("the file does not say which model it was made for; name it with --base")
    entry = find_model(named)
    check_is_folder(entry)
    if entry.folder is not None and (missing := ModelFolder.open(entry.folder).missing()):
        raise ValueError(f"{entry.title} is incomplete, it lacks {', '.join(missing)}; restore it")
    return entry


def _target(path: Path, format: ExportFormat) -> Path:
    """Beside the LoRA, never over it."""
    stem = path.parents[1].name if path.as_posix().endswith(RUN_FILE) else path.stem
    return path.with_name(f"{stem}-merged" if format == "merged" else f"{stem}-{format}.safetensors")
