"""Captions from a loopback endpoint: what is sent, kept, retried, refused, stopped and gone on with."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finetune.captions.endpoint import CaptionEndpoint, caption_pictures
from finetune.captions.loop import CaptionReport
from finetune.data.captions import CaptionStore
from finetune.data.dataset import open_dataset

KEY = {"OPENAI_API_KEY": "sk-secret"}


class Endpoint:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self.answers: list[tuple[int, dict[str, str], Any]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.asked.append((self.path, dict(self.headers), body))
                number = len(endpoint.asked)
                says = {"choices": [{"message": {"content": f' "picture {number}"\n'}}]}
                status, headers, reply = endpoint.answers.pop(0) if endpoint.answers else (200, {}, says)
                content = json.dumps(reply).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    served = Endpoint()
    yield served
    served.server.shutdown()
    served.server.server_close()
    served.thread.join()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in "abcdef":
        Image.fromarray(np.full((60, 200, 3), 99, np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "a.txt").write_text("theirs")
    return tmp_path


def captioned(endpoint: Endpoint, root: Path, **given: Any) -> list[CaptionReport]:
    values = {"environ": KEY, "pause": lambda _: None} | given
    return list(caption_pictures(open_dataset(root), asking(endpoint), **values))


def asking(endpoint: Endpoint, **given: Any) -> CaptionEndpoint:
    return CaptionEndpoint(base_url=endpoint.base_url, model="gpt-test", **({"max_side_px": 100} | given))


def captions(root: Path) -> dict[str, tuple[str | None, str | None]]:
    return {item.file_name[0]: (item.caption, item.caption_by) for item in open_dataset(root).items}


def test_what_is_sent_and_kept(endpoint: Endpoint, root: Path) -> None:
    reports = captioned(endpoint, root)
    assert reports[0] == CaptionReport("b.png", "picture 1", None, 1, 5)
    path, headers, body = endpoint.asked[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer sk-secret"
    assert body["model"] == "gpt-test"
    text, image = body["messages"][0]["content"]
    assert text["text"].startswith("Write one short caption")
    sent = Image.open(
        io.BytesIO(base64.b64decode(image["image_url"]["url"].removeprefix("data:image/jpeg;base64,")))
    )
    assert (sent.format, sent.size) == ("JPEG", (100, 30))
    assert captions(root)["a"] == ("theirs", "original")
    assert captions(root)["f"] == ("picture 5", "gpt-test")
    assert "sk-secret" not in (root / "captions.jsonl").read_text()


def test_stopped_and_gone_on(endpoint: Endpoint, root: Path) -> None:
    running = caption_pictures(open_dataset(root), asking(endpoint), environ=KEY)
    assert next(running).file_name == "b.png"
    next(running)
    running.close()
    assert [report.file_name for report in captioned(endpoint, root)] == ["d.png", "e.png", "f.png"]
    assert captioned(endpoint, root) == []
    assert len(endpoint.asked) == 5


def test_all_replaces_the_datasets_own_and_never_a_hands(endpoint: Endpoint, root: Path) -> None:
    store = CaptionStore(root)
    store.write_by_hand([("b.png", "mine")])
    store.write("c.png", "older", by="another-model")
    assert [r.file_name[0] for r in captioned(endpoint, root, which="all")] == list("acdef")
    assert captions(root)["b"] == ("mine", "hand")
    assert captions(root)["a"][1] == "gpt-test"
    assert captioned(endpoint, root, which="all") == []


def test_a_hand_that_was_quicker_wins(endpoint: Endpoint, root: Path) -> None:
    running = caption_pictures(open_dataset(root), asking(endpoint), environ=KEY)
    next(running)
    CaptionStore(root).write_by_hand([("c.png", "mine")])
    report = next(running)
    assert (report.file_name, report.caption) == ("c.png", None)
    assert "that one stays" in str(report.error)
    assert captions(root)["c"] == ("mine", "hand")


def test_busy_and_broken_are_asked_again(endpoint: Endpoint, root: Path) -> None:
    pauses: list[float] = []
    endpoint.answers = [(429, {"Retry-After": "7"}, {}), (503, {}, {}), (500, {"Retry-After": "9999"}, {})]
    reports = captioned(endpoint, root, pause=pauses.append)
    assert reports[0].caption == "picture 4"
    assert pauses == [7.0, 2.0, 60.0]


@pytest.mark.parametrize(
    ("status", "reply", "words"),
    [
        (400, {"error": {"message": "too dark sk-secret"}}, r"refuses it: 400, too dark \(key\)\."),
        (200, {"choices": []}, "not of the OpenAI kind"),
        (200, {"choices": [{"message": {"content": None}}]}, "empty caption"),
        (200, [], "not of the OpenAI kind"),
    ],
)
def test_a_picture_that_fails_is_named_and_the_others_go_on(
    endpoint: Endpoint, root: Path, status: int, reply: Any, words: str
) -> None:
    endpoint.answers = [(status, {}, reply)]
    first, *others = captioned(endpoint, root)
    assert first.caption is None
    assert len(others) == 4
    assert all(report.error is None for report in others)
    assert captions(root)["b"] == (None, None)
    assert re.search(words, str(first.error))


def test_five_failures_in_a_row_end_it(endpoint: Endpoint, root: Path) -> None:
    endpoint.answers = [(500, {}, {"error": "asleep"})] * 20
    running = caption_pictures(open_dataset(root), asking(endpoint), environ=KEY, pause=lambda _: None)
    seen = [next(running) for _ in range(5)]
    with pytest.raises(ValueError, match=r"5 pictures failed one after the other.*500, asleep"):
        next(running)
    assert len(seen) == 5
    assert len(endpoint.asked) == 20


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "refuses the key .* environment variable OPENAI_API_KEY"),
        (404, "does not serve the model 'gpt-test'"),
    ],
)
def test_a_refused_key_or_model_ends_it_at_once(
    endpoint: Endpoint, root: Path, status: int, words: str
) -> None:
    endpoint.answers = [(status, {}, {"error": {"message": "no: sk-secret"}})]
    with pytest.raises(ValueError, match=words) as caught:
        captioned(endpoint, root)
    assert "sk-secret" not in str(caught.value)
    assert len(endpoint.asked) == 1


def test_the_key_does_not_follow_a_redirect(endpoint: Endpoint, root: Path) -> None:
    endpoint.answers = [(302, {"Location": f"{endpoint.base_url}/elsewhere"}, {})]
    with pytest.raises(ValueError, match="302"):
        captioned(endpoint, root)
    assert len(endpoint.asked) == 1


def test_without_a_key_none_is_sent(endpoint: Endpoint, root: Path) -> None:
    captioned(endpoint, root, environ={})
    assert "Authorization" not in endpoint.asked[0][1]


def test_an_endpoint_that_is_away(root: Path) -> None:
    away = CaptionEndpoint(base_url="http://127.0.0.1:9", model="m", timeout_s=1)
    first = next(caption_pictures(open_dataset(root), away, environ={}, pause=lambda _: None))
    assert "cannot be reached" in str(first.error)


@pytest.mark.parametrize(
    "given", [{"base_url": "ftp://x"}, {"base_url": "nowhere"}, {"model": " "}, {"model": "hand"}]
)
def test_bad_settings(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="the endpoint"):
        CaptionEndpoint(**({"base_url": "http://x/v1", "model": "m"} | given))  # type: ignore[arg-type]
