"""What the hub refuses, as one sentence each with the remedy. No torch, no network.

Not here: asking the hub (`studio.models.hub`).
"""

from __future__ import annotations

import errno
from typing import Any, Literal

from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from studio.models.lookup import TOKEN_PLACE

YOUR_ACCOUNT = "your account"
"""In place of a hub id where the account itself is asked for."""

BAD_TOKEN = "Invalid credentials in Authorization header"


class HubError(ValueError):
    """The hub or the way to it refused; the message is for the user."""


def hub_sentence(
    error: BaseException,
    hub_id: str,
    *,
    endpoint: str,
    has_token: bool,
    kind: Literal["model", "dataset"] = "model",
) -> str | None:
    """What `error`, met while asking for `hub_id`, means and what to do; None for what is no refusal of the hub.

    Args:
        endpoint: Of the hub, such as https://huggingface.co.
        has_token: Whether a token went with the request.
        kind: Of what `hub_id` names.
    """
    page = f"{endpoint}/{hub_id}" if kind == "model" else f"{endpoint}/datasets/{hub_id}"
    status = _status(error)
    if isinstance(error, OfflineModeIsEnabled):
        return f"{hub_id} cannot be asked for: HF_HUB_OFFLINE forbids it; unset that, or choose a {kind} that is here"
    if isinstance(error, GatedRepoError):
        if not has_token:
            return f"{hub_id} is gated: accept its licence at {page} while logged in, then {TOKEN_PLACE}"
        if status == 401:
            return f"the hub does not know the token that was sent for {hub_id}; {TOKEN_PLACE}"
        return (
            f"your account may not read {hub_id} yet: accept its licence at {page} with the account of the token "
            "and wait if the owner approves by hand"
        )
    if isinstance(error, LocalTokenNotFoundError):
        return f"no token was found; {TOKEN_PLACE}"
    if status == 401 and (hub_id == YOUR_ACCOUNT or _header(error, "X-Error-Message") == BAD_TOKEN):
        return f"the hub does not accept the token, it is mistyped, expired or deleted; {TOKEN_PLACE}"
    if isinstance(error, DisabledRepoError):
        return f"the hub has closed {hub_id}; choose another {kind}"
    if isinstance(error, RevisionNotFoundError):
        return f"{hub_id} no longer has the version that was asked for; start the download again"
    if isinstance(error, EntryNotFoundError) and not isinstance(error, OSError | RepositoryNotFoundError):
        return f"{hub_id} lacks a file that its list names ({error}); try again later"
    if isinstance(error, RepositoryNotFoundError):
        hidden = "" if has_token else f", or private (then {TOKEN_PLACE})"
        return f"there is no {kind} {hub_id} at {endpoint}: it is misspelt, deleted{hidden}; check the name"
    return _status_sentence(error, status, hub_id, page, endpoint, has_token, kind) or _way_sentence(
        error, endpoint
    )


def _status_sentence(
    error: BaseException,
    status: int | None,
    hub_id: str,
    page: str,
    endpoint: str,
    has_token: bool,
    kind: str,
) -> str | None:
    if status is None:
        return None
    if status == 401:
        return f"the hub wants a login for {hub_id}; {TOKEN_PLACE}"
    if status == 403:
        return (
            f"the token may not read {hub_id}; give it the right to read gated {kind}s at {endpoint}/settings/tokens, "
            f"and see {page}"
        )
    if status == 404:
        return f"{hub_id} no longer has a file that its list names; start the download again"
    if status == 429:
        waited = _wait_words(_header(error, "Retry-After"))
        login = "" if has_token else "; with a token the limit is higher"
        return f"the hub was asked too often from here; try again {waited}, what is here stays{login}"
    if status >= 500:
        return f"the hub at {endpoint} is in trouble (status {status}); try again in some minutes, what is here stays"
    return f"the hub refused {hub_id} with status {status}; see {page}"


def _way_sentence(error: BaseException, endpoint: str) -> str | None:
    """For what happens on the way to the hub, or to the disk."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full; free some space and start again, what is here stays"
    # The library's HTTP client differs between versions; its errors are told apart by name.
    names = {kind.__name__ for kind in type(error).__mro__}
    if "TimeoutException" in names or isinstance(error, TimeoutError):
        return f"the hub at {endpoint} does not answer in time; try again, what is here stays"
    if names & {"TransportError", "ConnectError"} or isinstance(error, ConnectionError):
        return f"the hub at {endpoint} cannot be reached; check the network and try again, what is here stays"
    return None


def _status(error: BaseException) -> int | None:
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(error, HfHubHTTPError) and isinstance(status, int) else None


def _header(error: BaseException, name: str) -> str:
    response: Any = getattr(error, "response", None)
    return "" if response is None else str(response.headers.get(name, ""))


def _wait_words(retry_after: str) -> str:
    if not retry_after.isdecimal():
        return "in some minutes"
    seconds = int(retry_after)
    return f"in {seconds} s" if seconds < 120 else f"in {-(-seconds // 60)} minutes"
