"""The Models panel: a card for each model, what it asks for, its download. Handlers: `.handlers`."""

from __future__ import annotations

from typing import Literal

from gradio.data_classes import GradioModel

from studio.ui.components import Drawn

Action = Literal["pull", "stop", "remove"]


class CardView(GradioModel):
    """One model."""

    id: str
    title: str
    facts: tuple[str, ...] = ()
    """Family, latents, licence, sizes: a few words each."""

    advice: str = ""
    state: str = ""
    """In a sentence: here, ready to download, what is lacking."""

    mood: Literal["here", "ready", "busy", "lacking"] = "ready"
    fraction: float = 0.0
    """Of the download, 0 to 1; drawn while the mood is busy."""

    gate_url: str = ""
    actions: tuple[Action, ...] = ()


class ModelsContent(GradioModel):
    """What the panel shows."""

    cards: tuple[CardView, ...] = ()
    memory: str = ""
    account: str = ""
    """What the last test of the token said."""

    not_offered: tuple[str, ...] = ()
    hosted: bool = False
    """Visitors of a public host look; they download nothing."""


class ModelsPanel(Drawn):
    """Opened from the header. Events: act (action, id) and show (the panel was opened)."""

    data_model = ModelsContent
    scripts = ("models_panel.js",)
    markup = """
<dialog class="models" aria-label="Models">
  <header class="section-head"><h2>Models</h2>
    <button class="text-button models-close" type="button" aria-label="Close">×</button></header>
  <p class="models-memory"></p>
  <div class="models-tools">
    <button class="plain-button models-free" type="button"
      title="The worker closes the model that it keeps open">Free memory</button>
    <button class="plain-button models-test" type="button"
      title="Whether the hub accepts the token of this machine">Test token</button>
    <input class="models-id" type="text" placeholder="owner/name on the hub" aria-label="Another model of the hub"
      autocomplete="off" spellcheck="false">
    <button class="plain-button models-pull" type="button">Download</button>
  </div>
  <p class="models-account" role="status"></p>
  <ul class="models-cards"></ul>
  <details class="models-others"><summary>Not offered, and why</summary><ul></ul></details>
</dialog>
"""
