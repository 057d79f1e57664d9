"""What the hub is asked and told: plans, tokens, names, the cache."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.models.hub import Hub
from studio.models.hub_errors import HubError
from tests.studio.models.hub_home import GATED, ID, TOKEN, told
from tests.studio.models.hub_home import _no_token_of_this_machine as _no_token_of_this_machine
from tests.studio.models.hub_home import hub as hub
from tests.studio.models.hub_home import stand_in as stand_in
from tests.studio.models.hub_stand_in import Repository, StandIn


def test_a_plan_names_what_the_pipeline_reads_and_no_more(hub: Hub, sd3_folder: Path) -> None:
    plan = hub.plan(ID)
    wanted = {
        path.relative_to(sd3_folder).as_posix(): path.stat().st_size
        for path in sd3_folder.rglob("*")
        if path.is_file()
    }
    wanted = {name: size for name, size in wanted.items() if not name.endswith((".md", ".jinja"))}
    assert {file.name: file.size_bytes for file in plan.files} == wanted
    assert plan.total_bytes == plan.missing_bytes == sum(wanted.values())
    assert (plan.gated, len(plan.commit)) == (False, 40)


def test_a_token_is_tested(hub: Hub, stand_in: StandIn) -> None:
    with pytest.raises(HubError, match="no token was found; run `hf auth login`"):
        hub.whoami()
    with pytest.raises(HubError, match="the hub does not accept the token"):
        Hub(endpoint=hub.endpoint, cache=hub.cache, token="hf_wrong").whoami()
    ada = Hub(endpoint=hub.endpoint, cache=hub.cache, token=TOKEN)
    assert ada.whoami() == "ada"
    with pytest.raises(HubError, match="your account may not read"):
        ada.check_access(GATED)
    stand_in.admitted.add(TOKEN)
    ada.check_access(GATED)
    told(ada, GATED)


def test_the_token_goes_to_the_hub_alone(hub: Hub, stand_in: StandIn) -> None:
    stand_in.admitted.add(TOKEN)
    told(Hub(endpoint=hub.endpoint, cache=hub.cache, token=TOKEN), GATED)
    near = [headers for host, _, headers in stand_in.asked if host == "near"]
    far = [headers for host, _, headers in stand_in.asked if host == "far"]
    assert near
    assert far
    assert all(headers["authorization"] == f"Bearer {TOKEN}" for headers in near)
    assert not any("authorization" in headers for headers in far)


def test_remove_gives_the_disk_back(hub: Hub) -> None:
    told(hub)
    plan = hub.plan(ID)
    # The cache keeps files of one content once, whatever their names.
    kept = sum({file.digest: file.size_bytes for file in plan.files}.values())
    assert kept <= hub.remove(ID) <= kept + 200  # with the note of the version
    assert hub.plan(ID).missing_bytes == plan.total_bytes
    with pytest.raises(ValueError, match=f"{ID} is not in the cache"):
        hub.remove(ID)


@pytest.mark.parametrize("hub_id", ["../../etc", "a/..", "../a", "owner", "a/b/c", "http://x/y", "a/b?x", ""])
def test_names_that_lead_elsewhere(hub: Hub, hub_id: str, stand_in: StandIn) -> None:
    for ask in (hub.plan, hub.remove, hub.check_access):
        with pytest.raises(ValueError, match="a hub id reads owner/name"):
            ask(hub_id)
    assert stand_in.asked == []


def test_what_is_no_pipeline_is_refused(hub: Hub, stand_in: StandIn) -> None:
    stand_in.repositories["a/lora"] = Repository({"lora.safetensors": b"x" * 20_000})
    with pytest.raises(ValueError, match=r"a/lora is no diffusers pipeline with a transformer"):
        hub.plan("a/lora")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"_class_name": "PixArtSigmaPipeline"}, "a/other is a PixArtSigmaPipeline; the studio draws with"),
        ({"transformer": ["custom_code", "Custom"]}, r"code of its own for transformer \(custom_code\)"),
    ],
)
def test_what_cannot_run_here_is_refused_before_a_weight_is_fetched(
    hub: Hub, stand_in: StandIn, change: dict[str, object], words: str
) -> None:
    files = dict(stand_in.repositories[ID].files)
    index = json.loads(files["model_index.json"])
    files["model_index.json"] = json.dumps(index | change).encode()
    stand_in.repositories["a/other"] = Repository(files)
    with pytest.raises(ValueError, match=words):
        told(hub, "a/other")
    assert stand_in.ranges() == []
    assert hub.cached_commit("a/other") is None


def test_the_environment_chooses_hub_and_cache(tmp_path: Path) -> None:
    asked = {"HF_ENDPOINT": "http://mirror/", "HF_HOME": str(tmp_path)}
    assert Hub.from_environment(asked) == Hub(endpoint="http://mirror", cache=tmp_path / "hub")
    assert Hub.from_environment(asked | {"HF_HUB_CACHE": "/c"}).cache == Path("/c")
    with pytest.raises(ValueError, match="HF_ENDPOINT must be an http address"):
        Hub.from_environment({"HF_ENDPOINT": "file:///etc"})
