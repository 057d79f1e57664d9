"""Downloads from a stand-in of the hub: resumed, cancelled, of the right version, and undamaged."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download

from finetune.model_folder import ModelFolder
from finetune.weight_files import weights_hash
from studio.models.downloads import Downloads
from studio.models.hub import Hub
from studio.models.hub_errors import HubError
from studio.models.transfer import Damaged, Stopped, part_path
from tests.studio.models.hub_home import ID, WEIGHTS, told
from tests.studio.models.hub_home import _no_token_of_this_machine as _no_token_of_this_machine
from tests.studio.models.hub_home import hub as hub
from tests.studio.models.hub_home import stand_in as stand_in
from tests.studio.models.hub_stand_in import StandIn, sha256


def test_a_download_is_whole_and_the_library_finds_it(hub: Hub, sd3_folder: Path) -> None:
    reports = told(hub)
    plan = hub.plan(ID)
    assert reports == sorted(reports)
    assert reports[-1] == plan.total_bytes
    assert plan.missing_bytes == 0
    snapshot = Path(snapshot_download(ID, cache_dir=hub.cache, local_files_only=True))
    assert ModelFolder.open(snapshot).missing() == []
    assert weights_hash(snapshot) == weights_hash(sd3_folder)
    assert not (snapshot / "README.md").exists()
    assert not list(hub.cache.parent.rglob("evil.json"))
    assert hub.damaged_files(ID) == []
    assert hub.changed_files(ID) == []


def test_nothing_is_fetched_twice(hub: Hub, stand_in: StandIn) -> None:
    told(hub)
    stand_in.asked.clear()
    told(hub)
    assert not [
        line for host, line, _ in stand_in.asked if host == "far" or ("GET" in line and "/resolve/" in line)
    ]


def test_a_cut_is_taken_up_where_it_was(hub: Hub, stand_in: StandIn) -> None:
    """Within one download, and by the next one after the process has gone."""
    size = len(stand_in.repositories[ID].files[WEIGHTS])
    stand_in.cut_after_bytes, stand_in.num_cuts = size // 3, 2
    told(hub)
    assert stand_in.num_cuts == 0
    assert sum(bool(asked) for asked in stand_in.ranges()) == 2


def test_a_line_that_stays_dead_ends_in_a_sentence_and_the_next_try_goes_on(
    hub: Hub, stand_in: StandIn
) -> None:
    content = stand_in.repositories[ID].files[WEIGHTS]
    stand_in.cut_after_bytes = 0
    with pytest.raises(HubError, match=rf"{stand_in.endpoint} cannot be reached; .* what is here stays"):
        told(hub)
    part = part_path(hub.cache / "models--someone--tiny" / "blobs" / sha256(content))
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(content[:12_345])
    assert hub.plan(ID).missing_bytes <= hub.plan(ID).total_bytes - 12_345
    stand_in.cut_after_bytes = None
    stand_in.asked.clear()
    told(hub)
    assert "bytes=12345-" in stand_in.ranges()
    assert hub.damaged_files(ID) == []


def test_a_server_without_ranges_gives_a_whole_file_all_the_same(hub: Hub, stand_in: StandIn) -> None:
    content = stand_in.repositories[ID].files[WEIGHTS]
    part = part_path(hub.cache / "models--someone--tiny" / "blobs" / sha256(content))
    part.parent.mkdir(parents=True)
    part.write_bytes(b"\0" * 777)
    stand_in.whole_files_only = True
    told(hub)
    assert hub.damaged_files(ID) == []


def test_cancel_keeps_what_has_come(hub: Hub, stand_in: StandIn) -> None:
    stand_in.pause = threading.Event()
    downloads = Downloads(hub)
    downloads.start(ID)
    until = time.monotonic() + 60
    while downloads.state(ID).here_bytes < 60_000 and time.monotonic() < until:  # type: ignore[union-attr]
        time.sleep(0.02)
    downloads.stop(ID)
    stand_in.pause.set()
    state = downloads.wait(ID, 60)
    assert state.stage == "stopped"
    assert re.fullmatch(r"stopped at 0\.0 of 0\.0 GB; it goes on from there", state.sentence())
    left = hub.plan(ID)
    assert 0 < left.missing_bytes < left.total_bytes
    stand_in.pause = None
    stand_in.asked.clear()
    downloads.start(ID)
    assert downloads.wait(ID, 60).stage == "done"
    assert hub.damaged_files(ID) == []


def test_a_background_download_tells_its_state(hub: Hub) -> None:
    downloads = Downloads(hub)
    assert downloads.state(ID) is None
    before = downloads.version()
    downloads.start(ID)
    downloads.start(ID)  # under way: the same one
    state = downloads.wait(ID, 60)
    assert (state.stage, state.here_bytes == state.total_bytes > 0, state.sentence()) == (
        "done",
        True,
        "downloaded",
    )
    assert downloads.version() != before
    downloads.start("someone/nothing")
    failed = downloads.wait("someone/nothing", 60)
    assert failed.stage == "failed"
    assert failed.sentence().startswith("there is no model someone/nothing")
    downloads.forget("someone/nothing")
    assert downloads.state("someone/nothing") is None


def test_a_file_that_changed_on_the_hub_is_noticed(hub: Hub, stand_in: StandIn) -> None:
    told(hub)
    repository = stand_in.repositories[ID]
    repository.files[WEIGHTS] = repository.files[WEIGHTS][:-1] + b"!"
    repository.version = 2
    assert hub.changed_files(ID) == [WEIGHTS]
    told(hub)
    assert hub.changed_files(ID) == []


def test_a_change_between_list_and_download_mixes_nothing(hub: Hub, stand_in: StandIn) -> None:
    plan = hub.plan(ID)
    repository = stand_in.repositories[ID]
    repository.files[WEIGHTS] = repository.files[WEIGHTS][:-1] + b"!"
    with pytest.raises(HubError, match=rf"{WEIGHTS} of {ID} has changed on the hub since its list was read"):
        hub.download(plan, on_bytes=lambda here: True)
    repository.version = 2
    with pytest.raises(HubError, match="no longer has the version"):
        hub.download(plan, on_bytes=lambda here: True)
    told(hub)
    assert hub.damaged_files(ID) == []


def test_a_part_of_another_content_is_not_trusted(hub: Hub, stand_in: StandIn) -> None:
    content = stand_in.repositories[ID].files[WEIGHTS]
    part = part_path(hub.cache / "models--someone--tiny" / "blobs" / sha256(content))
    part.parent.mkdir(parents=True)
    part.write_bytes(b"\0" * 5000)
    with pytest.raises(Damaged, match="not what the hub promised, and was thrown away"):
        told(hub)
    assert not part.exists()
    told(hub)


def test_damage_on_this_disk_is_found(hub: Hub) -> None:
    told(hub)
    snapshot = Path(snapshot_download(ID, cache_dir=hub.cache, local_files_only=True))
    with (snapshot / WEIGHTS).open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    assert hub.damaged_files(ID) == [WEIGHTS]
    with pytest.raises(Stopped):
        hub.damaged_files(ID, on_bytes=lambda here: False)
