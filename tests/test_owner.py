"""A Space whose owner is signed in by the hub: training answers that account alone. The hub's login is emulated by the
session that it would leave behind, signed with the Space's own secret."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from itsdangerous import TimestampSigner

from tests.served_app import Visitor, served

SECRET = "emulated-client-secret"
SPACE = {
    "SPACE_ID": "lab/studio",
    "SPACE_AUTHOR_NAME": "lab",
    "D4K_OWNER": "ada",
    "SYSTEM": "spaces",
    "STUDIO_HOST": "127.0.0.1",
    "HF_HUB_OFFLINE": "1",
    "OAUTH_CLIENT_ID": "emulated",
    "OAUTH_CLIENT_SECRET": SECRET,
    "OAUTH_SCOPES": "openid profile",
    "OPENID_PROVIDER_URL": "http://127.0.0.1:9",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("space") / "home", SPACE) as at:
        yield at


def signed_in(address: str, name: str | None, *, secret: str = SECRET, expires_at: float = 4e9) -> Visitor:
    """With the cookie of `gradio.oauth`'s session for an account of the hub."""
    visitor = Visitor(address)
    if name is not None:
        userinfo = {"sub": name, "name": name, "preferred_username": name, "profile": "", "picture": ""}
        session = {
            "oauth_info": {"access_token": "hf_emulated", "expires_at": expires_at, "userinfo": userinfo}
        }
        key = hashlib.sha256(f"{secret}-v4".encode()).hexdigest()
        value = TimestampSigner(key).sign(base64.b64encode(json.dumps(session).encode())).decode()
        visitor.client.cookies.set("session", value)
    return visitor


@pytest.fixture(params=["nobody", "eve", "lab", "forged", "expired", "another site"])
def stranger(address: str, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """Without a login, with other accounts, and with the owner's session: signed by somebody else, of long ago, or
    sent along by a page of another site."""
    if request.param == "nobody":
        visitor = signed_in(address, None)
    elif request.param == "forged":
        visitor = signed_in(address, "ada", secret="guessed")
    elif request.param == "expired":
        visitor = signed_in(address, "ada", expires_at=1e9)
    elif request.param == "another site":
        visitor = signed_in(address, "ada")
        visitor.client.headers["sec-fetch-site"] = "cross-site"
    else:
        visitor = signed_in(address, request.param)
    yield visitor
    visitor.close()


@pytest.fixture(scope="module")
def ada(address: str) -> Iterator[Visitor]:
    visitor = signed_in(address, "ada")
    yield visitor
    visitor.close()


def tab_of(visitor: Visitor) -> int:
    return next(
        number for number, one in visitor.components().items() if one["props"].get("label") == "Fine-tune"
    )


def shows_training(visitor: Visitor) -> bool:
    """What the page is told to do with the tab when it opens."""
    tab = tab_of(visitor)
    event = next(one for one in visitor.events() if one["outputs"] == [tab])
    assert [kind for _, kind in event["targets"]] == ["load"]
    told: dict[str, Any] = visitor.call(event, [])["output"]["data"][0]
    return bool(told["visible"])


def defaults(visitor: Visitor, event: dict[str, Any]) -> list[Any]:
    usual = visitor.components()
    return [usual[number]["props"].get("value") for number in event["inputs"]]


def training_events(visitor: Visitor) -> list[dict[str, Any]]:
    """Those that a component of the Fine-tune tab starts."""
    ids = {
        number
        for number, one in visitor.components().items()
        if str(one["props"].get("elem_id")).startswith(("ft-", "dataset-", "run-"))
    }
    return [one for one in visitor.events() if any(target in ids for target, _ in one["targets"])]


def test_the_tab_is_the_owner_s(ada: Visitor, stranger: Visitor) -> None:
    assert shows_training(ada)
    assert stranger.components()[tab_of(stranger)]["props"]["visible"] is False
    assert not shows_training(stranger)


def test_the_owner_s_dry_run_is_judged_and_a_stranger_s_is_refused(ada: Visitor, stranger: Visitor) -> None:
    event = ada.event("ft-dry-run", "click")
    judged = json.dumps(ada.call(event, defaults(ada, event))["output"])
    assert "owner of this Space" not in judged
    refused = stranger.call(stranger.event("ft-dry-run", "click"), defaults(ada, event))
    assert not refused["success"]
    assert "Training is for the owner of this Space alone" in json.dumps(refused["output"])


def test_no_event_of_the_tab_tells_a_stranger_anything(stranger: Visitor) -> None:
    events = training_events(stranger)
    assert len(events) > 20
    for event in events:
        answer = stranger.call(event, defaults(stranger, event))
        if answer["success"]:
            assert all(is_nothing(value) for value in answer["output"]["data"]), event


def is_nothing(value: Any) -> bool:
    """A skipped output; a component of our own says so twice."""
    update = {"__type__": "update"}
    return value in (None, update, {**update, "props": update})


def test_server_functions_of_the_tab_are_kept_too(ada: Visitor, stranger: Visitor) -> None:
    """Gradio calls those by a route of their own."""
    pulse = next(n for n, one in ada.components().items() if one["props"].get("elem_id") == "run-pulse")
    body = {"component_id": pulse, "fn_name": "runs_version", "data": {"runs": []}, "session_hash": "abc"}
    answer = ada.client.post("/gradio_api/component_server", json=body)
    assert (answer.status_code, type(answer.json())) == (200, str)
    assert stranger.client.post("/gradio_api/component_server", json=body).status_code == 500


def test_the_page_says_how_to_sign_in(address: str) -> None:
    visitor = Visitor(address)
    (button,) = (one for one in visitor.components().values() if one["props"].get("elem_id") == "sign-in")
    assert button["props"]["value"] == "Sign in as the owner, to train"
    assert visitor.client.get("/login/huggingface").status_code != 404
    (limits,) = (one for one in visitor.components().values() if one["props"].get("elem_id") == "limits")
    assert "Training is the owner's alone" in limits["props"]["value"]
    visitor.close()
