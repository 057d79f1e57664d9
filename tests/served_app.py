"""The whole app on loopback, in a process of its own, and a visitor who talks to it as a browser does.

The worker is not started: what is asked for stays in the job table.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
SERVE = """
import os, sys
from dataclasses import replace

import app
from studio.home.settings import Settings
from studio.work.supervisor import WorkerSupervisor
from studio.home.workspace import Workspace

settings = Settings.from_environment(os.environ)
settings = replace(settings, host="127.0.0.1", max_upload_mib=int(os.environ["TEST_MAX_UPLOAD_MIB"]))
workspace = Workspace.open(settings.home)
demo, launch = app.build_in(workspace, settings, WorkerSupervisor(workspace, settings))
demo.launch(**launch, prevent_thread_lock=True)
demo.block_thread()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(
    home: Path, environment: Mapping[str, str], *, max_upload_mib: int = 1, code: str = SERVE
) -> Iterator[str]:
    """Serve the studio of `home` with nothing of this process's environment but PATH; yields its address."""
    port = free_port()
    log = home.parent / f"{home.name}-server.log"
    told = {
        "PATH": os.environ["PATH"],
        "HOME": str(home.parent),
        "HF_HOME": str(home.parent / "hf-home"),
        "PYTHONPATH": str(ROOT),
        "STUDIO_HOME": str(home),
        "STUDIO_PORT": str(port),
        "TEST_MAX_UPLOAD_MIB": str(max_upload_mib),
        **environment,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env=told, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_up(address, process, log)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 240
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"the app ended with {process.returncode}: {log.read_text()[-3000:]}")
        try:
            if httpx.get(f"{address}/gradio_api/startup-events", timeout=5).status_code < 500:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError(f"the app is not up after 240 s: {log.read_text()[-3000:]}")


@dataclass
class Visitor:
    """One browser: its cookies and its session."""

    address: str
    session: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.address, timeout=60, follow_redirects=False)
        self._config: dict[str, Any] | None = None

    def close(self) -> None:
        self.client.close()

    @property
    def config(self) -> dict[str, Any]:
        """What the page is built from."""
        if self._config is None:
            self.client.get("/")  # a browser loads the page first
            self._config = self.client.get("/config").json()
        assert self._config is not None
        return self._config

    def components(self) -> dict[int, dict[str, Any]]:
        return {one["id"]: one for one in self.config["components"]}

    def events(self) -> list[dict[str, Any]]:
        """Those that the server answers itself, each with the types of its inputs."""
        return [one for one in self.config["dependencies"] if one["backend_fn"]]

    def event(self, name: str, kind: str) -> dict[str, Any]:
        """The first event of a component, such as ("generate", "click")."""
        ids = {one["id"] for one in self.config["components"] if one["props"].get("elem_id") == name}
        for one in self.events():
            if any(target[0] in ids and target[1] == kind for target in one["targets"]):
                return one
        raise AssertionError(f"there is no {kind} of {name}")

    def call(self, event: dict[str, Any], data: list[Any], *, event_data: Any = None) -> dict[str, Any]:
        """As the page sends it: through the queue or at once. {"status", "success", "output"}."""
        body = {
            "fn_index": event["id"],
            "data": data,
            "session_hash": self.session,
            "event_data": event_data,
            "trigger_id": event["targets"][0][0] if event["targets"] else None,
        }
        if event["queue"] is False:
            answer = self.client.post("/gradio_api/run/predict", json=body)
            return {
                "status": answer.status_code,
                "success": answer.status_code == 200,
                "output": _json(answer),
            }
        joined = self.client.post("/gradio_api/queue/join", json=body)
        if joined.status_code != 200:
            return {"status": joined.status_code, "success": False, "output": _json(joined)}
        wanted = joined.json()["event_id"]
        with self.client.stream(
            "GET", "/gradio_api/queue/data", params={"session_hash": self.session}
        ) as stream:
            for line in stream.iter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                if message.get("event_id") == wanted and message["msg"] == "process_completed":
                    return {"status": 200, "success": message["success"], "output": message["output"]}
        raise AssertionError("the stream ended before the event did")

    def file(self, path: str | Path) -> httpx.Response:
        return self.client.get(f"/gradio_api/file={path}")

    def upload(self, name: str, content: bytes) -> httpx.Response:
        return self.client.post("/gradio_api/upload", files={"files": (name, content)})


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text
