"""`d4k dataset caption DIR`: captions by a model behind an endpoint, or by one on this machine.

torch is imported for the latter alone. Not here: the other commands of datasets (`studio.cli.dataset`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from studio.cli.shared import one_sentence
from studio.datasets.fetching import check_is_here


def caption(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures and captions.")],
    base_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible endpoint, with its version.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The endpoint's vision model.")] = None,
    local: Annotated[
        str | None, typer.Option(help="Instead, a vision-language model here: its folder, or its hub id.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="What to ask; a short plain caption unless set.")] = None,
    key_variable: Annotated[
        str, typer.Option(help="Environment variable that holds the key.")
    ] = "OPENAI_API_KEY",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace captions too, hand-written ones aside.")
    ] = False,
) -> None:
    """Let a vision model write captions; stop it whenever you like, and start it again to go on."""
    failed = 0
    with one_sentence():
        check_is_here(folder)
        if local is not None and base_url is None and model is None:
            reports = _captioned_here(folder, local, prompt, replace)
        elif local is None and base_url is not None and model is not None:
            reports = _asked(folder, base_url, model, prompt, key_variable, replace)
        else:
            raise ValueError(
                "captions come from --base-url with --model, or from --local; name one of the two"
            )
        for report in reports:
            failed += report.error is not None
            said = report.caption if report.error is None else f"no caption: {report.error}"
            typer.echo(f"{report.done}/{report.total}  {report.file_name}  {said}")
    typer.echo(
        "every picture has its caption"
        if not failed
        else f"{failed} pictures are without; start again to retry"
    )


def _asked(
    folder: Path, base_url: str, model: str, prompt: str | None, key_variable: str, replace: bool
) -> Iterator[Any]:
    from finetune.captions.endpoint import CaptionEndpoint, caption_pictures
    from finetune.captions.loop import DEFAULT_PROMPT
    from finetune.data.dataset import open_dataset

    endpoint = CaptionEndpoint(
        base_url=base_url,
        model=model,
        prompt=DEFAULT_PROMPT if prompt is None else prompt,
        key_variable=key_variable,
    )
    return caption_pictures(
        open_dataset(folder), endpoint, environ=os.environ, which="all" if replace else "missing"
    )


def _captioned_here(folder: Path, local: str, prompt: str | None, replace: bool) -> Iterator[Any]:
    from finetune.captions.loop import DEFAULT_PROMPT
    from finetune.captions.models import LocalModel
    from finetune.data.dataset import open_dataset

    settings = LocalModel(source=local, prompt=DEFAULT_PROMPT if prompt is None else prompt)
    dataset = open_dataset(folder)  # fail before the model is opened

    from finetune.captions.local import caption_locally, open_captioner
    from studio.pipeline.opening import quiet_libraries

    quiet_libraries()
    return caption_locally(dataset, open_captioner(settings), which="all" if replace else "missing")
