"""The right rail: one picture's numbers and settings, read from its record or from its job."""

from __future__ import annotations

from pathlib import Path

from gradio.data_classes import FileData, GradioModel

from studio.pictures.gallery_rows import Picture
from studio.pictures.record import PictureRecord
from studio.queue.job import Job
from studio.render_request import RenderRequest
from studio.ui.components import Drawn
from studio.ui.messages import short_seconds
from studio.work.kinds import detail_of, drawing_of


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
    """Events: inspect (ids), vary (id) and act (id, and action "remix", "redraw", "use_seed", "use_all", "star" or
    "unstar")."""

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
    <button class="plain-button details-redraw" type="button"
      title="Begin the next picture from this one, with its settings">Redraw</button>
    <button class="plain-button details-seed" type="button" title="Only the seed">Use seed</button>
    <button class="plain-button details-all" type="button" title="All settings and the seed">Use all</button>
    <button class="plain-button details-inspect" type="button"
      title="Subbands, texture maps and numbers">Inspect</button>
    <button class="plain-button details-vary" type="button"
      title="Draw it again with one or two settings varied, as a table">Vary</button>
    <a class="plain-button details-download"
      title="The lossless PNG with its settings inside">Download master</a></div>
  <dl class="details-rows"></dl>
</section>
"""


def settings_chips(settings: RenderRequest, *, width_px: int = 0, height_px: int = 0) -> tuple[Chip, ...]:
    """The six numbers that a render is told; a finished picture's own size, where it is given."""
    width_px, height_px = width_px or settings.width_px, height_px or settings.height_px
    return (
        Chip(name="width", text=str(width_px), unit="px"),
        Chip(name="height", text=str(height_px), unit="px"),
        Chip(name="area", text=f"{width_px * height_px / 1e6:.1f}", unit="MP"),
        Chip(name="steps", text=str(settings.num_inference_steps)),
        Chip(name="guidance", text=f"{settings.guidance_scale:g}"),
        Chip(name="seed", text=str(settings.seed)),
    )


def details_of_job(job: Job) -> DetailsContent:
    """What a job that has no picture yet was told."""
    settings = drawing_of(job)
    if settings is None:
        trouble = (("trouble", job.error),) if job.error else ()
        return DetailsContent(
            title=f"Job {job.id}", prompt=job.label, rows=(("kind", detail_of(job)), *trouble)
        )
    return DetailsContent(
        title=f"Job {job.id}",
        prompt=settings.prompt,
        negative_prompt=settings.negative_prompt,
        chips=settings_chips(settings),
        rows=(("model", settings.model),),
    )


def details_of_picture(picture: Picture) -> DetailsContent:
    """What a finished picture was made from and what it cost."""
    settings = picture.record.settings
    return DetailsContent(
        id=picture.id,
        title=picture.path.name,
        prompt=settings.prompt,
        negative_prompt=settings.negative_prompt,
        chips=settings_chips(settings, width_px=picture.width_px, height_px=picture.height_px),
        rows=tuple(record_rows(picture.record)),
        starred=picture.starred,
        file_name=picture.path.name,
        master=FileData(path=str(picture.path)),
    )


def record_rows(record: PictureRecord) -> list[tuple[str, str]]:
    """(name, value) of what a record tells beyond the settings; a picture from elsewhere tells less."""
    rows = [
        ("model", record.model.title or record.settings.model),
        ("weights", record.model.weights_hash),
        ("device", record.device),
        ("dtype", record.dtype),
        ("decode path", record.decode_path),
        ("imported from", record.imported_from),
        *((name.replace("_", " "), short_seconds(spent)) for name, spent in record.timings_s.items()),
        ("peak memory", f"{record.peak_memory_mib} MiB" if record.peak_memory_mib else ""),
        *(("LoRA", f"{Path(a.path).stem} × {a.weight:g}, {a.layers} layers") for a in record.adapters),
        ("resumed from step", str(record.resumed_from_step) if record.resumed_from_step else ""),
        *(("note", note) for note in record.notes),
    ]
    return [(name, value) for name, value in rows if value]
