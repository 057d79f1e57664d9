"""Captions by a model in the background: written where missing, stopped, gone on with, refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from studio.datasets.captioning import start_captioning
from studio.datasets.watch import DatasetWatch
from tests.finetune.captions.test_endpoint import Endpoint
from tests.finetune.captions.test_endpoint import endpoint as endpoint
from tests.studio.datasets.dataset_home import datasets as datasets
from tests.studio.datasets.dataset_home import on_disk, reasons
from tests.studio.datasets.dataset_home import root as root
from tests.studio.datasets.dataset_home import watch as watch
from tests.studio.datasets.dataset_home import workspace as workspace

# Captions by a model


def ask(watch: DatasetWatch, endpoint: Endpoint, *, replace_others: bool = False) -> bool:
    return start_captioning(
        watch,
        base_url=endpoint.base_url,
        model="gpt-test",
        prompt="What is it?",
        replace_others=replace_others,
        environ={"OPENAI_API_KEY": "sk-secret"},
    )


def test_a_model_writes_what_is_missing(watch: DatasetWatch, endpoint: Endpoint, root: Path) -> None:
    assert ask(watch, endpoint)
    ended = watch.captioning.wait(20)
    assert (ended.state, ended.words) == ("done", "1 caption written")
    assert on_disk(root)["3.png"] == ("picture 1", "gpt-test")
    watch.scanning.wait(20)
    assert "3.png" not in reasons(watch)
    assert endpoint.asked[0][1]["Authorization"] == "Bearer sk-secret"
    ask(watch, endpoint)
    assert watch.captioning.wait(20).words.startswith("nothing to write")


def test_asking_is_stopped_and_gone_on_with(watch: DatasetWatch, endpoint: Endpoint, root: Path) -> None:
    watch.write_caption("1.png", "mine")
    tell = watch.captioning.tell

    def stop_after_two(done: int, total: int, words: str | None = None) -> bool:
        if done == 2:
            watch.captioning.stop()
        return tell(done, total, words)

    watch.captioning.tell = stop_after_two  # type: ignore[method-assign]
    ask(watch, endpoint, replace_others=True)
    ended = watch.captioning.wait(20)
    assert (ended.state, ended.done, ended.total) == ("stopped", 2, 4)
    assert len(endpoint.asked) == 2
    watch.captioning.tell = tell  # type: ignore[method-assign]
    ask(watch, endpoint, replace_others=True)
    assert watch.captioning.wait(20).words == "2 captions written"
    assert len(endpoint.asked) == 4
    assert on_disk(root)["1.png"] == ("mine", "hand")
    watch.scanning.wait(20)


def test_stopping_does_not_wait_for_a_busy_endpoint(watch: DatasetWatch, endpoint: Endpoint) -> None:
    endpoint.answers = [(429, {"Retry-After": "500"}, {})] * 4
    ask(watch, endpoint)
    while not endpoint.asked:
        time.sleep(0.01)
    watch.captioning.stop()
    ended = watch.captioning.wait(60)
    assert ended.state == "stopped"
    assert "The endpoint answers 429" in ended.words


def test_a_refused_key_is_told_in_the_backends_words(watch: DatasetWatch, endpoint: Endpoint) -> None:
    endpoint.answers = [(401, {}, {"error": {"message": "bad key sk-secret"}})]
    ask(watch, endpoint)
    ended = watch.captioning.wait(20)
    assert ended.state == "failed"
    assert "put a valid one into the environment variable OPENAI_API_KEY" in ended.words
    assert "sk-secret" not in ended.words
    with pytest.raises(ValueError, match="must be an http or https address"):
        start_captioning(watch, base_url="ftp://x", model="m", prompt="p", replace_others=False, environ={})
