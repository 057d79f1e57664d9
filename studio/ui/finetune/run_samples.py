"""Samples of a run: prompts down, steps across, and one of them large; arrow keys walk."""

from __future__ import annotations

from gradio.data_classes import FileData, GradioModel

from studio.training.curves import THUMBNAIL_PX, VIEW_PX, SamplePicture, read_samples, sample_view
from studio.training.runs import Trainings
from studio.ui.components import Drawn

MAX_STEPS = 24
"""Columns: of more, evenly many are shown, the first and the last among them."""


class SampleCell(GradioModel):
    step: int
    index: int
    thumbnail: FileData | None = None
    view: FileData | None = None
    error: str = ""


class SamplesContent(GradioModel):
    run: str = ""
    prompts: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    cells: tuple[SampleCell, ...] = ()
    hidden: int = 0
    """Steps that are left out."""


class RunSamples(Drawn):
    data_model = SamplesContent
    scripts = ("run_samples.js",)
    markup = """
<section class="samples" aria-label="Samples" hidden>
  <header class="section-head"><h2>Samples</h2><small class="samples-about"></small></header>
  <div class="samples-large" hidden><img alt=""><p></p></div>
  <div class="samples-scroll"><div class="samples-grid" role="grid" aria-label="Prompts by steps"></div></div>
</section>
"""


def samples_content(trainings: Trainings, name: str) -> SamplesContent:
    run = trainings.run(name)
    sheet = read_samples(run)
    steps = shown_steps(sheet.steps)

    def cell(one: SamplePicture) -> SampleCell:
        found = SampleCell(step=one.step, index=one.index, error="" if one.error is None else one.error)
        if one.file is not None:
            try:
                small, large = (
                    sample_view(trainings.workspace, run, one.file, side) for side in (THUMBNAIL_PX, VIEW_PX)
                )
            except (OSError, ValueError) as error:
                found.error = f"the picture cannot be read ({error})"
            else:
                found.thumbnail, found.view = FileData(path=str(small)), FileData(path=str(large))
        return found

    return SamplesContent(
        run=name,
        prompts=sheet.prompts,
        steps=steps,
        cells=tuple(cell(one) for one in sheet.pictures if one.step in steps),
        hidden=len(sheet.steps) - len(steps),
    )


def shown_steps(steps: tuple[int, ...]) -> tuple[int, ...]:
    if len(steps) <= MAX_STEPS:
        return steps
    last = len(steps) - 1
    return tuple(dict.fromkeys(steps[round(i * last / (MAX_STEPS - 1))] for i in range(MAX_STEPS)))
