"""Captions from a vision model behind any OpenAI-compatible endpoint, one picture after the other. No torch.

The Diffusion-4K paper has GPT-4o describe each picture as briefly and directly as it can (arXiv 2503.18352, section 4);
the default prompt asks for the same in other words.
Not here: the way through a dataset (`finetune.captions.loop`), a model on this machine (`finetune.captions.local`).
"""

from __future__ import annotations

import base64
import io
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from finetune.captions.loop import (
    DEFAULT_PROMPT,
    CaptionReport,
    Refused,
    Which,
    as_caption,
    caption_each,
    small_picture,
)
from finetune.data.captions import HAND
from finetune.data.dataset import Dataset
from finetune.json_text import parse_json

_RETRIES, _LONGEST_PAUSE_S = 3, 60.0
_REPLY_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionEndpoint:
    """Whom to ask, and how."""

    base_url: str
    """Up to and with the version, such as https://api.openai.com/v1."""

    model: str
    prompt: str = DEFAULT_PROMPT
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; where it is not set, none is sent."""

    max_side_px: int = 1024
    """Pictures are sent no larger than this."""

    max_tokens: int = 150
    timeout_s: float = 120.0

    def __post_init__(self) -> None:
        parts = urllib.parse.urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"the endpoint must be an http or https address, got {self.base_url!r}; "
                "https://api.openai.com/v1 is one"
            )
        if not self.model.strip() or self.model == HAND or not self.prompt.strip():
            raise ValueError("the endpoint needs a model's name and a prompt; give both")
        if self.max_side_px < 64 or self.max_tokens < 1 or self.timeout_s <= 0:
            raise ValueError("pictures are sent at 64 px or more, for 1 token or more, within some seconds")


def caption_pictures(
    dataset: Dataset,
    endpoint: CaptionEndpoint,
    *,
    environ: Mapping[str, str],
    which: Which = "missing",
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[CaptionReport]:
    """Caption while the caller keeps asking; each report comes after its caption is kept.

    Args:
        environ: Where the key is looked for.
        pause: Waits so many seconds before asking again.

    Raises:
        ValueError: the key or the model is refused, or five pictures fail one after the other.
    """
    return caption_each(
        dataset,
        endpoint.model,
        lambda path: _ask(_message(path, endpoint), endpoint, environ, pause),
        which=which,
    )


def _message(path: Path, endpoint: CaptionEndpoint) -> dict[str, Any]:
    """The body of the request, with the picture as JPEG inside."""
    stream = io.BytesIO()
    small_picture(path, endpoint.max_side_px).save(stream, "JPEG", quality=90)
    url = f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
    content = [{"type": "text", "text": endpoint.prompt}, {"type": "image_url", "image_url": {"url": url}}]
    return {
        "model": endpoint.model,
        "max_tokens": endpoint.max_tokens,
        "messages": [{"role": "user", "content": content}],
    }


def _ask(
    message: dict[str, Any],
    endpoint: CaptionEndpoint,
    environ: Mapping[str, str],
    pause: Callable[[float], None],
) -> str:
    """The caption; asks again where the endpoint is busy or away for a moment."""
    for attempt in range(_RETRIES + 1):
        try:
            return _caption_in(_post(message, endpoint, environ))
        except urllib.error.HTTPError as error:
            words = _words_of(error, environ.get(endpoint.key_variable))
            if error.code in (401, 403):
                raise ValueError(
                    f"{endpoint.base_url} refuses the key ({words}); put a valid one into the environment variable "
                    f"{endpoint.key_variable}"
                ) from error
            if error.code == 404 or 300 <= error.code < 400:
                raise ValueError(
                    f"{endpoint.base_url} does not serve the model {endpoint.model!r} ({words}); check both"
                ) from error
            if error.code != 429 and error.code < 500:
                raise Refused(f"The endpoint refuses it: {words}.") from error
            trouble, wait_s = f"The endpoint answers {words}.", _retry_after(error.headers)
        except (OSError, TimeoutError) as error:  # URLError is an OSError
            trouble, wait_s = f"The endpoint cannot be reached: {getattr(error, 'reason', error)}.", None
        if attempt < _RETRIES:
            pause(min(_LONGEST_PAUSE_S, 2.0**attempt if wait_s is None else wait_s))
    raise Refused(trouble)


def _post(message: dict[str, Any], endpoint: CaptionEndpoint, environ: Mapping[str, str]) -> bytes:
    headers = {"Content-Type": "application/json"}
    if key := environ.get(endpoint.key_variable):
        headers["Authorization"] = f"Bearer {key}"
    url = f"{endpoint.base_url.rstrip('/')}/chat/completions"
    request = urllib.request.Request(url, json.dumps(message).encode(), headers)
    with urllib.request.build_opener(_NoRedirects).open(request, timeout=endpoint.timeout_s) as reply:
        content: bytes = reply.read(_REPLY_BYTES)
        return content


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The key is for the address that was given, and for no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _caption_in(reply: bytes) -> str:
    try:
        text = parse_json(reply)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise Refused("The endpoint's reply is not of the OpenAI kind.") from error
    return as_caption(text if isinstance(text, str) else "")


def _words_of(error: urllib.error.HTTPError, key: str | None) -> str:
    """Status and the server's own words, shortened, never with the key in them."""
    try:
        body = error.read(_REPLY_BYTES).decode(errors="replace")
        said = parse_json(body)["error"]
        text = str(said["message"] if isinstance(said, dict) else said)
    except (OSError, ValueError, KeyError, TypeError):
        text = str(error.reason)
    if key:
        text = text.replace(key, "(key)")
    return f"{error.code}, {' '.join(text.split())[:200]}"


def _retry_after(headers: Message) -> float | None:
    """Seconds that the endpoint asks to wait; None where it names none, or a date."""
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        return None
