"""Published LoRAs: fetched from a stand-in of the hub, resumed, kept in the home, listed and removed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from typer.testing import CliRunner

from studio.cli.main import app
from studio.home.workspace import Workspace
from studio.models.adapters import list_adapters
from studio.models.cards import ADAPTERS, adapter_card
from studio.models.downloads import Downloads
from studio.models.hub import Hub
from studio.models.hub_adapters import adapter_place, remove_adapter
from studio.models.hub_errors import HubError
from studio.models.transfer import CHUNK_BYTES
from tests.studio.models.hub_home import _no_token_of_this_machine as _no_token_of_this_machine
from tests.studio.models.hub_home import hub as hub
from tests.studio.models.hub_home import stand_in as stand_in
from tests.studio.models.hub_stand_in import Repository, StandIn

URAE = ADAPTERS[0]
CONTENT = save({"transformer.proj_out.lora_A.weight": torch.ones(4, 5000)})


@pytest.fixture
def published(stand_in: StandIn) -> StandIn:
    stand_in.repositories[URAE.hub_id] = Repository({URAE.file: CONTENT, "4k.safetensors": b"x" * 20_000})
    return stand_in


def test_it_is_fetched_alone_and_then_a_lora_like_any_other(
    hub: Hub, published: StandIn, workspace: Workspace
) -> None:
    assert [file.name for file in hub.plan_file(URAE.hub_id, URAE.file).files] == [URAE.file]
    published.cut_after_bytes, published.num_cuts = 70_000, 1  # beyond one chunk
    downloads = Downloads(hub)
    downloads.start_adapter(URAE, workspace.root)
    assert downloads.wait(URAE.hub_id, 60).stage == "done"
    assert published.ranges() == ["", f"bytes={CHUNK_BYTES}-"]
    assert adapter_place(URAE, workspace.root).read_bytes() == CONTENT
    (found,) = list_adapters(workspace)
    assert (found.path, found.error) == (f"loras/{URAE.file}", None)
    remove_adapter(hub, URAE, workspace.root)
    assert list_adapters(workspace) == ()
    assert hub.cached_commit(URAE.hub_id) is None


def test_a_file_that_is_gone_and_one_that_is_none(hub: Hub, published: StandIn, workspace: Workspace) -> None:
    published.repositories[URAE.hub_id].files[URAE.file] = b"pickle" * 5000
    downloads = Downloads(hub)
    downloads.start_adapter(URAE, workspace.root)
    state = downloads.wait(URAE.hub_id, 60)
    assert (state.stage, "no readable safetensors file" in state.sentence()) == ("failed", True)
    assert list_adapters(workspace) == ()
    del published.repositories[URAE.hub_id].files[URAE.file]
    with pytest.raises(HubError, match=f"{URAE.hub_id} has no file {URAE.file} any more"):
        hub.plan_file(URAE.hub_id, URAE.file)


def test_the_command_line_names_it(
    hub: Hub, published: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", published.endpoint)
    monkeypatch.setenv("HF_HUB_CACHE", str(hub.cache))
    listed = CliRunner().invoke(app, ["models", "list"]).stdout
    assert URAE.id in listed
    home = tmp_path / "home"
    done = CliRunner().invoke(app, ["models", "pull", URAE.id, "--home", str(home)])
    assert done.exit_code == 0, done.output
    assert adapter_place(URAE, home).read_bytes() == CONTENT
    assert f"--lora {adapter_place(URAE, home)}" in done.stdout
    assert adapter_card("no-such-lora") is None
