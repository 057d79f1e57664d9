"""Builds the studio and serves it: `python app.py`, the same as `d4k serve`, and the entry of a Space."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from studio.home.console import print_any_letter
from studio.home.doors import new_token
from studio.home.settings import Settings

SECRETS = ("STUDIO_AUTH", "D4K_TOKEN")

if TYPE_CHECKING:
    import gradio as gr

    from studio.home.workspace import Workspace
    from studio.work.in_place_worker import InPlaceWorker
    from studio.work.supervisor import WorkerSupervisor


def build(settings: Settings) -> tuple[gr.Blocks, dict[str, Any]]:
    """Construct everything and pass it in: (page, what its launch() is told). No worker is started here."""
    from studio.home.workspace import Workspace

    workspace = Workspace.open(settings.home)
    return build_in(workspace, settings, new_worker(workspace, settings))


def new_worker(workspace: Workspace, settings: Settings) -> WorkerSupervisor | InPlaceWorker:
    """A process of its own, or, where the GPU is lent to this one alone, a thread of it."""
    if settings.zero_gpu:
        from studio.work.in_place_worker import InPlaceWorker

        return InPlaceWorker(workspace, settings)
    from studio.work.supervisor import WorkerSupervisor

    return WorkerSupervisor(workspace, settings)


def build_in(
    workspace: Workspace, settings: Settings, worker: WorkerSupervisor | InPlaceWorker
) -> tuple[gr.Blocks, dict[str, Any]]:
    """The page over an opened workspace."""
    from studio.ui.startup import calm_queue, import_gradio

    gradio = import_gradio(workspace.uploads)

    from studio.pictures.gallery import Gallery
    from studio.queue.table import JobTable
    from studio.ui.page import build_page
    from studio.ui.theme import head, studio_theme, style_sheets
    from studio.ui.visitors.hosting import hosting

    # Served where they lie: a cached copy of every 20 MB master would double what the studio writes.
    gradio.set_static_paths([workspace.pictures, workspace.previews, workspace.looking])
    host = hosting(workspace, settings, getattr(worker, "submitted", None))
    demo = build_page(
        JobTable(workspace.database, viewer=host.viewer),
        Gallery(workspace, viewer=host.viewer),
        settings,
        worker.describe,
        looking=workspace.looking,
        gate=host.gate,
    )
    demo.queue(max_size=64, default_concurrency_limit=8)
    calm_queue(demo)
    return demo, {
        "server_name": settings.host,
        "server_port": settings.port,
        "auth": list(settings.accounts) if settings.accounts else None,
        "app_kwargs": {"middleware": host.middleware},
        "max_file_size": f"{settings.max_upload_mib}mb",
        "theme": studio_theme(),
        "css_paths": style_sheets(),
        "head": head(),
        "ssr_mode": False,
        "run_history": False,
        "footer_links": [],
        "enable_monitoring": False,
        "share": False,
        "mcp_server": settings.mcp,
        "quiet": True,
    }


def main() -> None:
    """Serve until interrupted. Renders live in the worker process and go on without this one."""
    print_any_letter()
    try:
        settings = Settings.from_environment(os.environ)
        for name in SECRETS:  # workers and trainings are started with what is left
            os.environ.pop(name, None)
        serve(settings)
    except ValueError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("stopped")


def is_no_cancelled_task(record: logging.LogRecord) -> bool:
    """False for the tracebacks that uvicorn prints of its own tasks, which an end that does not wait cancels."""
    error = record.exc_info[1] if record.exc_info else None
    told = record.getMessage().rstrip().endswith("asyncio.exceptions.CancelledError")
    return not (told or isinstance(error, asyncio.CancelledError))


def serve(settings: Settings) -> None:
    """Hold the home's lock, answer the browser, watch over the worker, until interrupted or told to end."""
    from studio.home.uploads import KEPT_OF_VISITORS_S, KEPT_S, UploadSweep
    from studio.home.workspace import Workspace

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):  # SIGINT too: a script's `&` starts its children with that one ignored
            signal.signal(getattr(signal, name), signal.default_int_handler)
    settings.check_exposure()
    settings.check_mcp()
    made = new_token() if settings.token == "auto" else None
    if made is not None:
        settings = replace(settings, token=made)
    workspace = Workspace.open(settings.home)
    address = f"http://{settings.host}:{settings.port}"
    with ExitStack() as stack:
        stack.enter_context(workspace.serve_lock(address))
        worker = new_worker(workspace, settings)
        demo, launch = build_in(workspace, settings, worker)
        from studio.ui.agents import bring_token, require_started  # after Gradio is set up

        if settings.mcp and settings.token is not None:
            bring_token(settings.token)
        try:
            demo.launch(**launch, prevent_thread_lock=True)
        except OSError as error:
            raise ValueError(
                f"port {settings.port} of {settings.host} cannot be had, another program may hold it; "
                "stop that, or choose another with --port or STUDIO_PORT"
            ) from error
        if settings.mcp:
            require_started(demo)
        demo.server.force_exit = True  # an open page holds its connections; the end does not wait for them
        logging.getLogger("uvicorn.error").addFilter(is_no_cancelled_task)
        worker.start()
        stack.callback(worker.stop)
        sweep = UploadSweep(
            workspace.uploads,
            older_s=KEPT_OF_VISITORS_S if settings.hosted else KEPT_S,
            init_images_of=workspace.root
            if settings.hosted
            else None,  # on one's own machine they are one's own
        )
        sweep.start()
        stack.callback(sweep.stop)
        print(f"Diffusion-4K Studio is at {address} (home: {workspace.root})", flush=True)
        if made is not None:  # the one place where it is told
            print(f"It opens with this address, once in each browser: {address}/?token={made}", flush=True)
        demo.block_thread()


if __name__ == "__main__":
    main()
