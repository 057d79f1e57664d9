"""What people may write for a scene: synonyms, varied grammar, things left unsaid, words that mean nothing here.

Not here: how words become numbers (`clip`).
"""

from __future__ import annotations

import random
from dataclasses import replace

from finetune.micro.scenes.description import PLACES, Scene, Terrain

WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "terrain": {
        "mountains": (
            "mountains",
            "a mountain range",
            "high peaks",
            "rocky mountains",
            "alpine mountains",
            "rugged peaks",
        ),
        "dunes": ("desert dunes", "sand dunes", "a sandy desert", "rolling dunes", "a desert", "dunes"),
        "forest": ("a forest", "woodland", "dense woods", "a deep forest", "trees", "forest"),
        "sea": ("the sea", "an ocean", "open water", "ocean waves", "a seascape", "sea", "the ocean"),
    },
    "time": {
        "dawn": ("at dawn", "at sunrise", "in the early morning", "at daybreak", "dawn", "sunrise"),
        "noon": ("at noon", "at midday", "in bright daylight", "by day", "noon", "midday"),
        "dusk": ("at dusk", "at sunset", "in the evening", "at twilight", "dusk", "sunset"),
        "night": ("at night", "in the moonlight", "at midnight", "by moonlight", "night", "midnight"),
    },
    "sky": {
        "clear": ("clear sky", "a cloudless sky", "clear skies", "an open sky", "clear"),
        "cloudy": ("cloudy sky", "clouds", "an overcast sky", "drifting clouds", "cloudy"),
        "foggy": ("fog", "thick mist", "foggy sky", "a misty haze", "foggy", "misty"),
    },
}
PLACE_WORDS: dict[Terrain, tuple[tuple[str, ...], ...]] = {
    "mountains": (
        ("a mountain range", "mountains"),
        ("high peaks", "rugged peaks"),
        ("rocky mountains",),
        ("alpine mountains",),
    ),
    "dunes": (
        ("desert dunes", "dunes"),
        ("sand dunes",),
        ("a sandy desert", "a desert"),
        ("rolling dunes",),
    ),
    "forest": (("woodland", "a forest", "forest"), ("dense woods",), ("a deep forest",), ("trees",)),
    "sea": (("an ocean", "the ocean", "the sea", "sea"), ("open water",), ("ocean waves",), ("a seascape",)),
}
"""Of `WORDS`, those that mean each of the known places, in the order of `PLACES`; the plainest mean the first."""
DEFAULTS = {"time": "noon", "sky": "clear", "side": "centre"}
"""What is meant where nothing is said: from captions that fit several pictures their mean would be learnt."""
_LEFT_OUT = 0.3  # of what is as `DEFAULTS` say
_EMPTY_WORDS = (
    "a photo of",
    "a picture of",
    "beautiful",
    "highly detailed",
    "4k",
    "landscape",
    "wide view of",
    "sharp",
    "cinematic",
    "a view of",
)

# {t} terrain, {h} hour, {s} sky, {x} extras. The held-out forms are for evaluation alone.
FORMS = (
    "{t} {h}, {s}{x}",
    "{t}, {h}, {s}{x}",
    "{h}, {t}, {s}{x}",
    "{s}, {t} {h}{x}",
    "{t} with {s}, {h}{x}",
    "{t} {h} with {s}{x}",
    "{s} over {t} {h}{x}",
    "{t} under {s}, {h}{x}",
    "{t}{x}, {s}, {h}",
)
HELD_OUT_FORMS = (
    "{h} {t}{x}, with {s}",
    "{t}, {s} {h}{x}",
    "{s} {h}, {t}{x}",
    "{h} with {s} above {t}{x}",
)


def caption(scene: Scene, rng: random.Random, *, held_out: bool = False, complete: bool = False) -> str:
    """Describe a scene in one of many ways; of a known scene, none means another one.

    Land that is none of the known places has no word of its own, and takes any of its terrain's.

    Args:
        held_out: Use the sentence forms that training never sees.
        complete: Name terrain, time and sky; otherwise what is as `DEFAULTS` say may be left unsaid.
    """
    terrain = rng.choice(place_words(scene) or WORDS["terrain"][scene.terrain])
    hour, sky = (
        "" if not complete and _goes_without_saying(scene, what, rng) else rng.choice(WORDS[what][said])
        for what, said in (("time", scene.time), ("sky", scene.sky))
    )
    forms = HELD_OUT_FORMS if held_out else FORMS
    text = rng.choice(forms).format(t=terrain, h=hour, s=sky, x=_extras(scene, rng))
    if rng.random() < 0.3:
        text = f"{rng.choice(_EMPTY_WORDS)} {text}"
    if rng.random() < 0.1:
        text = f"{text}, {rng.choice(_EMPTY_WORDS)}"
    return _tidy(text)


def place_words(scene: Scene) -> tuple[str, ...]:
    """Those that mean the scene's place and no other; none for land that is not among the known places."""
    places = PLACES[scene.terrain]
    return PLACE_WORDS[scene.terrain][places.index(scene.seed)] if scene.seed in places else ()


def mirrored(scene: Scene) -> Scene:
    """The scene that a left-right flip of the picture shows."""
    swap = {"left": "right", "right": "left", "centre": "centre"}
    return replace(scene, side=swap[scene.side])  # type: ignore[arg-type]


def _extras(scene: Scene, rng: random.Random) -> str:
    said: list[str] = []
    if not _goes_without_saying(scene, "side", rng):
        disc = "moon" if scene.time == "night" else "sun"
        if scene.side == "centre":
            said.append(rng.choice((f"{disc} in the middle", f"{disc} in the centre")))
        else:
            side = scene.side
            said.append(rng.choice((f"{disc} on the {side}", f"{disc} {side}", f"the {disc} to the {side}")))
    if scene.snow:
        said.append(rng.choice(("snow", "covered in snow", "snowy", "winter")))
    if scene.lake:
        said.append(rng.choice(("a lake", "by a lake", "reflected in still water", "lake")))
    if scene.autumn:
        said.append(rng.choice(("autumn", "in autumn colours", "red and gold leaves")))
    rng.shuffle(said)
    return "".join(f", {words}" for words in said)


def _goes_without_saying(scene: Scene, what: str, rng: random.Random) -> bool:
    return bool(getattr(scene, what) == DEFAULTS[what] and rng.random() < _LEFT_OUT)


def _tidy(text: str) -> str:
    """Close the gaps that unsaid parts leave: no doubled or hanging commas, no word that joins nothing."""
    for lost in (" with ,", " over ,", " under ,", " above ,"):
        text = text.replace(lost, ",")
    parts = [" ".join(part.split()) for part in text.split(",")]
    joiners = ("with", "over", "under", "above")
    cleaned = []
    for part in parts:
        words = part.split()
        while words and words[0] in joiners:
            words = words[1:]
        while words and words[-1] in joiners:
            words = words[:-1]
        if words:
            cleaned.append(" ".join(words))
    return ", ".join(cleaned)
