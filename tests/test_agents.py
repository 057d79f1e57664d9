"""The studio as an MCP server, over real HTTP on loopback, asked by the protocol's own client."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from PIL import Image

from metrics.compression import compression_ratio
from studio.home.workspace import Workspace
from studio.pictures.gallery import Gallery
from studio.pictures.record import PictureRecord
from studio.render_request import RenderRequest
from tests.served_app import served

pytestmark = pytest.mark.process

TOKEN = "correct-horse-battery-staple"
SERVE = """
import app
from tests.stand_in_studio import supervisor

app.new_worker = supervisor
app.main()
"""
PICTURE = np.random.default_rng(0).integers(0, 255, (300, 256, 3), np.uint8)
NAMES = {"subbands", "glcm_map", "compression_ratio", "artefacts", "effective_resolution", "score"}


@dataclass
class Agent:
    address: str
    headers: dict[str, str]

    def ask(self, *calls: tuple[str, dict[str, Any]]) -> tuple[dict[str, Any], list[Any]]:
        """(the schema of each tool by its name, the answer to each call)."""
        return asyncio.run(self._ask(*calls))

    async def _ask(self, *calls: tuple[str, dict[str, Any]]) -> tuple[dict[str, Any], list[Any]]:
        address = f"{self.address}/gradio_api/mcp/"
        async with (
            streamablehttp_client(address, headers=self.headers) as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            return tools, [await session.call_tool(*call) for call in calls]


def words(answer: Any) -> str:
    return "".join(part.text for part in answer.content)


def value(answer: Any) -> Any:
    assert not answer.isError, words(answer)
    return ast.literal_eval(words(answer))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("machine") / "home"


@pytest.fixture(scope="module")
def picture(home: Path) -> Path:
    """A file on the studio's machine; the gallery holds the same."""
    path = home.parent / "a picture.png"
    Image.fromarray(PICTURE).save(path)
    settings = RenderRequest(
        model="test", prompt="noise of every colour", seed=7, num_inference_steps=4, guidance_scale=3.0
    )
    Gallery(Workspace.open(home)).add(PICTURE, PictureRecord(settings=settings))
    return path


@pytest.fixture(scope="module")
def agent(home: Path, picture: Path) -> Iterator[Agent]:
    with served(home, {"STUDIO_MCP": "1", "D4K_TOKEN": TOKEN}, code=SERVE) as address:
        yield Agent(address, {"Authorization": f"Bearer {TOKEN}"})


def test_an_agent_finds_a_picture_and_measures_it(agent: Agent, picture: Path) -> None:
    tools, (listed, none) = agent.ask(("pictures", {}), ("pictures", {"words": "no such words"}))
    assert set(tools) == {"pictures", *(f"inspect_{name}" for name in NAMES)}
    assert (
        "the id of a picture of its gallery"
        in tools["inspect_score"].inputSchema["properties"]["picture"]["description"]
    )
    (found,) = value(listed)
    assert (found["width_px"], found["height_px"], found["seed"]) == (256, 300, 7)
    assert (found["prompt"], found["model"]) == ("noise of every colour", "test")
    assert value(none) == []
    ratio = pytest.approx(compression_ratio(PICTURE))
    for named in (found["id"], found["path"], str(picture)):
        _, (answer,) = agent.ask(("inspect_compression_ratio", {"picture": named}))
        assert value(answer)["compression_ratio"] == ratio


def test_an_agent_is_told_what_is_wrong(agent: Agent) -> None:
    wrong = (
        ("inspect_score", {"picture": "none-such"}, "there is no picture none-such"),
        ("inspect_score", {"picture": "/none/such.png"}, "/none/such.png"),
        ("inspect_score", {"picture": " "}, "no picture is named"),
        ("pictures", {"count": 0}, "between 1 and 100, got 0"),
    )
    _, answers = agent.ask(*((tool, arguments) for tool, arguments, _ in wrong))
    for answer, (_, _, told) in zip(answers, wrong, strict=True):
        assert answer.isError
        assert told in words(answer)


def test_nobody_asks_without_the_token(agent: Agent) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = httpx.post(f"{agent.address}/gradio_api/mcp/", headers=headers, json={})
        assert answer.status_code == 401


def test_where_others_come_in_an_agent_names_no_file(tmp_path: Path) -> None:
    told = {"STUDIO_MCP": "1", "D4K_TOKEN": TOKEN, "STUDIO_INSECURE": "1"}
    with served(tmp_path / "home", told, code=SERVE) as address:
        tools, _ = Agent(address, {"Authorization": f"Bearer {TOKEN}"}).ask()
    assert set(tools) == NAMES
