"""`d4k serve`: what the server is told, checked before it starts. The server itself is app.py."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from studio.cli.shared import Home, one_sentence
from studio.home.settings import ROOT, Settings
from studio.home.workspace import Workspace


def add_commands(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 unless set.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 7860 unless set.")] = None,
    home: Home = None,
    auth: Annotated[
        list[str] | None,
        typer.Option(
            metavar="USER:PASSWORD", help="Ask for this login; repeat for more. STUDIO_AUTH sets it too."
        ),
    ] = None,
    auth_file: Annotated[
        Path | None, typer.Option(help="Logins, one USER:PASSWORD a line, in a file that only you can read.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN|auto",
            help="Ask every request for this token; auto makes one and prints its address. D4K_TOKEN sets it too.",
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Let everyone in who reaches an address other than this machine's own."
        ),
    ] = False,
) -> None:
    """Serve the studio to a browser; the same as `python app.py`."""
    given = {
        "STUDIO_HOST": host,
        "STUDIO_PORT": port,
        "STUDIO_HOME": home,
        "STUDIO_AUTH": "\n".join(auth) if auth else None,
        "STUDIO_AUTH_FILE": auth_file,
        "D4K_TOKEN": token,
        "STUDIO_INSECURE": "1" if insecure else None,
    }
    environment = {**os.environ, **{name: str(value) for name, value in given.items() if value is not None}}
    with one_sentence():
        settings = Settings.from_environment(environment)
        settings.check_exposure()
        Workspace.open(settings.home)
        _check_port_free(settings.host, settings.port)
    # This process becomes the server. It is not imported: app.py stands above this package. Its words, which other
    # users of the machine may list, hold no secret.
    os.execve(sys.executable, [sys.executable, str(ROOT / "app.py")], environment)


def _check_port_free(host: str, port: int) -> None:
    """Say it in a moment instead of after the page is built; the server still asks for itself."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As the server itself does: without it, connections of a server just stopped hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ValueError(
                f"port {port} of {host} cannot be had ({error.strerror}); stop the program that holds it, or "
                "choose another with --port"
            ) from error
