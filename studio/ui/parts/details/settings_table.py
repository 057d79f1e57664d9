"""Which settings of the compared pictures differ; equal ones are folded away."""

from __future__ import annotations

from gradio.data_classes import GradioModel

from studio.ui.components import Drawn


class SettingLine(GradioModel):
    name: str
    values: tuple[str, ...]
    differs: bool = False


class SettingsContent(GradioModel):
    titles: tuple[str, ...] = ()
    lines: tuple[SettingLine, ...] = ()
    words: tuple[tuple[str, bool], ...] = ()
    """The second prompt's words, and whether the first lacks them."""
    place: str = ""


class SettingsTable(Drawn):
    data_model = SettingsContent
    scripts = ("settings_table.js",)
    markup = """
<section class="settings-table" hidden>
  <header class="section-head"><h2>What differs</h2></header>
  <p class="settings-place"></p>
  <p class="settings-words"></p>
  <table class="settings-differing"><tbody></tbody></table>
  <details><summary></summary><table><tbody></tbody></table></details>
</section>
"""
