"""Settings of Inspect: widgets, addresses and files agree on them, and nonsense gets a sentence."""

from __future__ import annotations

from urllib.parse import parse_qs

import gradio as gr
import pytest

from metrics.glcm_properties import PROPERTIES
from metrics.subbands import MODES, WAVELETS
from studio.ui.inspect.form import WORDS, build_form, visible_groups
from studio.ui.inspect.settings import CHOICES, LOOKS, InspectSettings
from studio.ui.inspect.stage import Look


def a_view() -> InspectSettings:
    return InspectSettings(
        layer="rebuild", wavelet="db4", levels=5, muted=("hh1", "lh2"), detail=1.5, gain=2.5, mode="slider"
    )


def test_an_address_gives_the_same_settings_back() -> None:
    said = parse_qs(a_view().query(("a", "b"), part="x,1,2,64,64"), keep_blank_values=True)
    assert (said["tab"], said["p"], said["part"]) == (["inspect"], ["a", "b"], ["x,1,2,64,64"])
    looks = {name: str(value) for name, value in a_view().looks().items()}
    query = {name: values[-1] for name, values in said.items()} | looks
    assert InspectSettings.from_query(query) == a_view()


def test_an_address_says_only_what_is_unusual_and_leaves_looks_to_the_page() -> None:
    assert InspectSettings().query(("a",)) == "tab=inspect&p=a"
    assert not set(parse_qs(a_view().query(()))) & set(LOOKS)


def test_widget_values_give_the_same_settings_back() -> None:
    assert InspectSettings.of(a_view().values()) == a_view()
    assert InspectSettings.of((*a_view().values()[:5], None, *a_view().values()[6:])).muted == ()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"layer": "x"}, "layer cannot be 'x'; choose from picture"),
        ({"levels": "many"}, "levels cannot be 'many'; it is a int"),
        ({"levels": "6"}, "levels cannot be 6"),
        ({"window_px": "1000000"}, "window_px cannot be 1000000"),
        ({"muted": "hh1,hh9"}, "there is no band 'hh9'"),
        ({"gain": "nan"}, "gain must lie in 0.25 to 16"),
        ({"opacity": "-1"}, "opacity must lie in 0 to 1"),
        ({"wavelet": "haar'--"}, "wavelet cannot be"),
    ],
)
def test_a_wrong_address_gets_a_sentence(query: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        InspectSettings.from_query(query)


def test_choices_are_what_the_metrics_know() -> None:
    assert CHOICES["measure"] == PROPERTIES
    assert set(CHOICES["wavelet"]) == set(WAVELETS) - {"db1"}  # another name of haar
    assert set(CHOICES["boundary"]) == set(MODES)
    assert all(len(words) == len(CHOICES[name]) for name, words in WORDS.items())


def test_the_stage_starts_as_the_settings_do() -> None:
    assert Look().model_dump() == InspectSettings().looks()


def test_groups_are_shown_where_they_matter() -> None:
    with gr.Blocks():
        groups = list(build_form().groups)

    def shown(layer: str, mode: str, pictures: int) -> set[str]:
        updates = visible_groups(layer, mode, ["x"] * pictures)
        assert len(updates) == len(groups)
        return {name for name, update in zip(groups, updates, strict=True) if update.visible}

    assert shown("picture", "side", 1) == {"channel"}
    assert shown("picture", "difference", 2) == {"channel", "gain", "mode"}
    assert shown("picture", "difference", 1) == {"channel"}
    assert shown("subbands", "side", 1) == {"subbands", "band", "colour", "gain"}
    assert shown("rebuild", "side", 1) == {"subbands", "rebuild", "channel"}
    assert shown("glcm", "side", 2) == {"glcm", "colour", "gain", "channel", "mode"}
