"""`d4k models`: list, pull, check and remove against a stand-in of the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from studio.cli.main import app
from studio.models.cards import CARDS
from studio.models.lookup import check_available, find_model
from tests.studio.models.hub_stand_in import Repository, StandIn, hub_stand_in

ID = "someone/tiny"
TOKEN = "hf_" + "stand" * 7
WEIGHTS = "vae/diffusion_pytorch_model.safetensors"


@pytest.fixture
def stand_in(sd3_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    files = {
        path.relative_to(sd3_folder).as_posix(): path.read_bytes()
        for path in sd3_folder.rglob("*")
        if path.is_file()
    }
    flux = Repository(files, gated=True)
    repositories = {ID: Repository(dict(files)), "black-forest-labs/FLUX.1-dev": flux}
    with hub_stand_in(StandIn(repositories=repositories, accounts={TOKEN: "ada"})) as running:
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
        yield running


def d4k(*words: object) -> Result:
    return CliRunner().invoke(app, ["models", *(str(word) for word in words)])


def test_list_tells_size_licence_gate_and_state(stand_in: StandIn) -> None:
    listed = d4k().stdout
    assert listed == d4k("list").stdout
    assert all(card.entry.id in listed and card.entry.licence in listed for card in CARDS)
    assert "3072x4096   33.7 GB" in listed
    told = {one["id"]: one for one in map(json.loads, d4k("list", "--json").stdout.splitlines())}
    assert (told["micro-4k"]["here"], told["micro-4k"]["download_bytes"]) == (True, 0)
    assert told["flux.1-dev"]["gate_url"] == "https://huggingface.co/black-forest-labs/FLUX.1-dev"
    assert "is gated" in told["flux.1-dev"]["state"]
    assert told["diffusion-4k-flux"]["advised_sizes_px"][0] == [3072, 4096]


def test_a_hub_id_is_pulled_and_then_a_model_like_any_other(stand_in: StandIn) -> None:
    with pytest.raises(ValueError, match="`d4k models pull someone/tiny`"):
        find_model(ID)
    plan = d4k("pull", ID, "--plan")
    assert "someone/tiny: " in plan.stdout
    assert not stand_in.ranges(), "a plan fetches nothing"
    done = d4k("pull", ID)
    assert done.exit_code == 0, done.output
    assert "100 %" in done.stderr
    entry = find_model(ID)
    assert (entry.id, entry.family, entry.autoencoder, entry.title) == (ID, "sd3", "f16", "tiny")
    check_available(entry)
    assert "GB of it here already" in d4k("pull", ID, "--plan").stdout


def test_check_looks_at_files_token_access_news_and_damage(stand_in: StandIn, tmp_path: Path) -> None:
    missing = d4k("check", ID)
    assert missing.exit_code == 1
    assert "problem  someone/tiny is not in the catalogue" in missing.stdout
    d4k("pull", ID)
    (tmp_path / "token").write_text(TOKEN)
    good = d4k("check", ID, "--deep")
    assert good.exit_code == 0, good.output
    wanted = (
        "every file is here",
        "the token is ada's",
        "someone/tiny may be read",
        "nothing newer",
        "as it came",
    )
    assert all(words in good.stdout for words in wanted), good.stdout
    repository = stand_in.repositories[ID]
    repository.files[WEIGHTS] = repository.files[WEIGHTS][:-1] + b"!"
    repository.version = 2
    weights = next((tmp_path / "hub").rglob(WEIGHTS)).resolve()
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    bad = d4k("check", ID, "--deep")
    assert bad.exit_code == 1
    assert f"problem  newer on the hub: {WEIGHTS}; pull again" in bad.stdout
    assert f"problem  damaged: {WEIGHTS}; remove the model" in bad.stdout


def test_check_tells_of_the_gate(stand_in: StandIn, tmp_path: Path) -> None:
    told = d4k("check", "flux.1-dev").stdout
    assert "problem  no token was found" in told
    (tmp_path / "token").write_text(TOKEN)
    told = d4k("check", "flux.1-dev").stdout
    assert "ok       the token is ada's" in told
    assert (
        "problem  your account may not read black-forest-labs/FLUX.1-dev yet: accept its licence at" in told
    )
    stand_in.admitted.add(TOKEN)
    told = d4k("check", "flux.1-dev").stdout
    assert "ok       black-forest-labs/FLUX.1-dev may be read" in told
    assert "problem  not here yet; `d4k models pull flux.1-dev` fetches it" in told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("pull", "flux.1-dev"), "black-forest-labs/FLUX.1-dev is gated: accept its licence"),
        (("pull", "someone/nothing"), "there is no model someone/nothing"),
        (("pull", "micro-4k"), "does not come from the hub"),
        (("pull", "Owen777/UltraFlux-v1"), "UltraFlux cannot run here: it needs a transformer of its own"),
        (("pull", "../../etc-none"), "a hub id reads owner/name"),
        (("remove", "someone/nothing", "--yes"), "is not in the cache"),
        (("remove", "micro-4k", "--yes"), "does not come from the hub"),
    ],
)
def test_what_cannot_be_is_one_sentence(stand_in: StandIn, words: tuple[str, ...], sentence: str) -> None:
    done = d4k(*words)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_remove_asks_first(stand_in: StandIn, tmp_path: Path) -> None:
    d4k("pull", ID)
    assert CliRunner().invoke(app, ["models", "remove", ID], input="n\n").exit_code == 0
    assert find_model(ID).id == ID
    done = d4k("remove", ID, "--yes")
    assert "someone/tiny is gone" in done.stdout
    assert not (tmp_path / "hub" / "models--someone--tiny").exists()
    with pytest.raises(ValueError, match="not in the catalogue"):
        find_model(ID)
