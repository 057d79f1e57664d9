"""The right rail: one picture's numbers and settings, read from its record or from its job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradio.data_classes import FileData, GradioModel

from studio.pictures.gallery import Picture
from studio.queue.table import Job
from studio.ui.components import Drawn
from studio.ui.messages import short_seconds


class Chip(GradioModel):
    name: str
    text: str
    unit: str = ""


class DetailsContent(GradioModel):
    id: str = ""
    title: str = ""
    prompt: str = ""
    negative_prompt: str = ""
    chips: tuple[Chip, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()
    starred: bool = False
    file_name: str = ""
    master: FileData | None = None


class PictureDetails(Drawn):
    """Events: act (action "remix", "use_seed", "use_all", "star" or "unstar", and id), inspect (id)."""

    data_model = DetailsContent
    scripts = ("picture_details.js",)
    markup = """
<section class="details" aria-label="Settings of this picture" hidden>
  <header class="section-head"><h2 class="details-title"></h2>
    <button class="text-button details-star" type="button" title="Star" aria-label="Star">★</button></header>
  <div class="chips details-chips"></div>
  <div class="details-words"><p class="details-prompt"></p><p class="details-negative" hidden></p>
    <button class="text-button details-copy" type="button" aria-label="Copy the prompt">Copy</button></div>
  <div class="details-actions">
    <button class="plain-button details-remix" type="button" title="All settings but the seed">Remix</button>
    <button class="plain-button details-seed" type="button" title="Only the seed">Use seed</button>
    <button class="plain-button details-all" type="button" title="All settings and the seed">Use all</button>
    <button class="plain-button details-inspect" type="button"
      title="Subbands, texture maps and numbers">Inspect</button>
    <a class="plain-button details-download"
      title="The lossless PNG with its settings inside">Download master</a></div>
  <dl class="details-rows"></dl>
</section>
"""


def settings_chips(settings: dict[str, Any]) -> tuple[Chip, ...]:
    """The six numbers that a render is told."""
    width_px, height_px = int(settings["width_px"]), int(settings["height_px"])
    return (
        Chip(name="width", text=str(width_px), unit="px"),
        Chip(name="height", text=str(height_px), unit="px"),
        Chip(name="area", text=f"{width_px * height_px / 1e6:.1f}", unit="MP"),
        Chip(name="steps", text=str(settings["num_inference_steps"])),
        Chip(name="guidance", text=f"{settings['guidance_scale']:g}"),
        Chip(name="seed", text=str(settings["seed"])),
    )


def details_of_job(job: Job) -> DetailsContent:
    """What a job that has no picture yet was told."""
    return DetailsContent(
        title=f"Job {job.id}",
        prompt=str(job.request["prompt"]),
        negative_prompt=str(job.request["negative_prompt"]),
        chips=settings_chips(job.request),
        rows=(("model", str(job.request["model"])),),
    )


def details_of_picture(picture: Picture) -> DetailsContent:
    """What a finished picture was made from and what it cost."""
    settings = picture.record["settings"]
    return DetailsContent(
        id=picture.id,
        title=picture.path.name,
        prompt=str(settings["prompt"]),
        negative_prompt=str(settings.get("negative_prompt", "")),
        chips=settings_chips({**settings, "width_px": picture.width_px, "height_px": picture.height_px}),
        rows=tuple(record_rows(picture.record)),
        starred=picture.starred,
        file_name=picture.path.name,
        master=FileData(path=str(picture.path)),
    )


def record_rows(record: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, value) of what a record tells beyond the settings; a picture from elsewhere tells less."""
    model = record.get("model", {})
    rows = [("model", str(model.get("title", record["settings"]["model"])))]
    if "weights_hash" in model:
        rows.append(("weights", str(model["weights_hash"])))
    rows += [
        (name.replace("_", " "), str(record[name]))
        for name in ("device", "dtype", "decode_path", "imported_from")
        if name in record
    ]
    rows += [(name.replace("_", " "), short_seconds(s)) for name, s in record.get("timings_s", {}).items()]
    if "peak_memory_mib" in record:
        rows.append(("peak memory", f"{record['peak_memory_mib']} MiB"))
    rows += [
        ("LoRA", f"{Path(worn['path']).stem} × {worn['weight']:g}, {worn['layers']} layers")
        for worn in record.get("adapters", ())
    ]
    if record.get("resumed_from_step"):
        rows.append(("resumed from step", str(record["resumed_from_step"])))
    return rows + [("note", str(note)) for note in record.get("notes", [])]
