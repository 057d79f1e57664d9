"""Every refusal of the hub, of the network and of the disk has its sentence."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from studio.home import disk
from studio.models.hub import Hub
from studio.models.hub_errors import HubError
from tests.studio.models.hub_home import GATED, ID, TOKEN, told
from tests.studio.models.hub_home import _no_token_of_this_machine as _no_token_of_this_machine
from tests.studio.models.hub_home import hub as hub
from tests.studio.models.hub_home import stand_in as stand_in
from tests.studio.models.hub_stand_in import Refusal, StandIn


@pytest.mark.parametrize(
    ("hub_id", "token", "refuse", "words"),
    [
        (
            "someone/nothing",
            None,
            {},
            r"there is no model someone/nothing at .*misspelt, deleted, or private \(then run `hf auth",
        ),
        (
            "someone/nothing",
            TOKEN,
            {},
            r"there is no model someone/nothing at \S+: it is misspelt, deleted; check the name",
        ),
        (
            GATED,
            None,
            {},
            rf"{GATED} is gated: accept its licence at http\S+/{GATED} while logged in, then run `hf auth",
        ),
        (
            GATED,
            TOKEN,
            {},
            rf"your account may not read {GATED} yet: accept its licence at http\S+/{GATED} with the account",
        ),
        (
            ID,
            "hf_mistyped",
            {},
            "the hub does not accept the token, it is mistyped, expired or deleted; run `hf auth",
        ),
        (
            ID,
            None,
            {"resolve": Refusal(401)},
            f"there is no model {ID}|the hub wants a login for {ID}; run `hf auth",
        ),
        (
            ID,
            TOKEN,
            {"resolve": Refusal(403)},
            f"the token may not read {ID}; give it the right to read gated models",
        ),
        (
            ID,
            None,
            {"resolve": Refusal(404, {"X-Error-Code": "EntryNotFound"})},
            f"{ID} no longer has a file that its list names",
        ),
        (
            ID,
            None,
            {"resolve": Refusal(404, {"X-Error-Code": "RevisionNotFound"})},
            f"{ID} no longer has the version",
        ),
        (
            ID,
            None,
            {"resolve": Refusal(429, {"Retry-After": "300"})},
            "asked too often from here; try again in 5 minutes, .*with a token the limit is higher",
        ),
        (
            ID,
            TOKEN,
            {"/api/": Refusal(429, {"Retry-After": "7"})},
            "asked too often from here; try again in 7 s, what is here stays$",
        ),
        (
            ID,
            None,
            {"/api/": Refusal(503)},
            r"the hub at http://127\S+ is in trouble \(status 503\); try again in some minutes",
        ),
        (
            ID,
            None,
            {"/api/": Refusal(403, {"X-Error-Message": "Access to this resource is disabled."})},
            f"the hub has closed {ID}",
        ),
    ],
)
def test_each_refusal_has_its_sentence(
    hub: Hub, stand_in: StandIn, hub_id: str, token: str | None, refuse: dict[str, Refusal], words: str
) -> None:
    stand_in.refuse = refuse
    asking = Hub(endpoint=hub.endpoint, cache=hub.cache, token=token)
    with pytest.raises(HubError, match=words) as caught:
        told(asking, hub_id)
    assert token is None or token not in str(caught.value), "a secret in a sentence"


def test_a_hub_that_is_away(tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"the hub at http://127.0.0.1:9 cannot be reached; check the network"):
        Hub(endpoint="http://127.0.0.1:9", cache=tmp_path).plan(ID)


def test_offline_is_said(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE forbids it"):
        hub.plan(ID)


def test_the_disk_is_asked_first(hub: Hub, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = hub.plan(ID)
    monkeypatch.setattr(disk, "free_mib", lambda folder: 500.0)
    stand_in.asked.clear()
    with pytest.raises(ValueError, match=r"500 MiB are left and 5\d\d MiB are needed; free some space"):
        hub.download(plan, on_bytes=lambda here: True)
    assert stand_in.asked == []


def test_a_disk_that_fills_up_meanwhile(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def full(path: Path, mode: str = "r", *args: object, **kwargs: object) -> object:
        if path.name.endswith(".d4k-part") and mode in ("ab", "wb"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, mode, *args, **kwargs)  # type: ignore[arg-type, call-overload]

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(ValueError, match=r"the disk is full, .* free some space and try again"):
        told(hub)
