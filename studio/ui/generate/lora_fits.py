"""Under the LoRA stack: how each LoRA fits the chosen model, key by key, before anything is drawn.

Its own component, since the stack's rows belong to the page and no answer may take back an edit.
Not here: the looking (`studio.models.adapter_fit`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gradio.data_classes import GradioModel

from studio.models.adapter_fit import AdapterFit, AdapterFits
from studio.ui.components import Drawn
from studio.ui.generate.lora_stack import LoraContent


class FitLine(GradioModel):
    title: str = ""
    words: str = ""
    mood: str = ""
    """"warn" where keys are left over; "wait" while they are read."""

    unused: tuple[str, ...] = ()
    """One sentence for each reason."""


class FitContent(GradioModel):
    lines: tuple[FitLine, ...] = ()


class LoraFits(Drawn):
    """One line for each LoRA that is switched on; shows nothing where there is none. No events."""

    data_model = FitContent
    scripts = ("lora_fits.js",)
    markup = '<ul class="lora-fits" aria-label="How the LoRAs fit the model" aria-live="polite"></ul>'


@dataclass(frozen=True, slots=True)
class LoraFitHandlers:
    """What the lines are made of."""

    fits: AdapterFits

    def told(self, model: str, stack: LoraContent | dict[str, object]) -> FitContent:
        """What is known by now; the rest is said to be read."""
        paths = _switched_on(stack)
        try:
            found = self.fits.known(paths, model) if paths else {}
        except (OSError, ValueError) as error:
            words = str(error)
            return FitContent(lines=(FitLine(words=f"{words[:1].upper()}{words[1:]}.", mood="warn"),))
        return FitContent(lines=tuple(line_of(path, found.get(path)) for path in paths))

    def look(self, model: str, stack: LoraContent | dict[str, object]) -> None:
        """Find what is not known, in some seconds; `told` tells it, of what is switched on by then."""
        with suppress(OSError, ValueError):  # told by `told`
            self.fits.find(_switched_on(stack), model)


def _switched_on(stack: LoraContent | dict[str, object]) -> list[str]:
    return list(dict.fromkeys(row.path for row in LoraContent.model_validate(stack).rows if row.on))


def line_of(path: str, fit: AdapterFit | None) -> FitLine:
    title = Path(path).stem if Path(path).parent.name != "adapter" else Path(path).parents[1].name
    if fit is None:
        return FitLine(title=title, words="reading its keys…", mood="wait")
    return FitLine(
        title=title,
        words=fit.words,
        mood="warn" if fit.unused or not fit.fits else "",
        unused=tuple(
            f"{one.example}{f' and {one.num_keys - 1} more' if one.num_keys > 1 else ''}: {one.reason}"
            for one in fit.unused
        ),
    )
