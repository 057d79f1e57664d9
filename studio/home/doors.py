"""Who may come in where others reach the studio: accounts, a token, and how fast either may be guessed.

Standard library only. Not here: the requests that are let in or refused (`studio.ui.visitors.token_gate`), visitors of
a public host (`studio.ui.visitors.visitors`).
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

Accounts = tuple[tuple[str, str], ...]
"""(user, password) each."""

MIN_TOKEN_CHARACTERS = 16
_TOKEN = re.compile(rf"[A-Za-z0-9._~-]{{{MIN_TOKEN_CHARACTERS},256}}")  # what an address takes as it is
_OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH
_MOST_ADDRESSES = 10_000


def parse_accounts(lines: Sequence[str], *, source: str) -> Accounts:
    """Each `user:password`; the first colon parts them, empty lines are passed over.

    Raises ValueError, naming `source` and never what a line holds, for a line without both or a user named twice.
    """
    accounts: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        user, colon, password = line.partition(":")
        if not (user.strip() and colon and password):
            raise ValueError(f"{source} must read user:password, entry {number} does not; write it so")
        if user.strip() in accounts:
            raise ValueError(f"{source} names {user.strip()} twice; leave one entry out")
        accounts[user.strip()] = password
    return tuple(accounts.items())


def read_accounts(path: Path) -> Accounts:
    """Those of a file with one `user:password` a line. Raises ValueError for one that others may read or change."""
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the accounts of {path} cannot be read ({error}); name a text file") from error
    if mode & _OTHERS_MAY_READ:
        raise ValueError(f"others may read the passwords in {path}; run `chmod 600 {path}`")
    accounts = parse_accounts(lines, source=str(path))
    if not accounts:
        raise ValueError(f"{path} holds no account; write user:password into it, one a line")
    return accounts


def check_token(token: str) -> str:
    """The token itself. Raises ValueError for one that is quickly guessed or that an address does not take."""
    if _TOKEN.fullmatch(token) is None:
        raise ValueError(
            f"a token has {MIN_TOKEN_CHARACTERS} to 256 letters, digits, dots, dashes, underscores or tildes, this one "
            "does not; say --token auto to have one made"
        )
    return token


def new_token() -> str:
    """256 random bits as 43 characters."""
    return secrets.token_urlsafe(32)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name
        return host.lower() == "localhost"


def check_exposure(host: str, *, guarded: bool, insecure: bool) -> None:
    """Raise ValueError for an address that others reach while nothing is asked of them."""
    if not (guarded or insecure or is_loopback(host)):
        raise ValueError(
            f"at {host} anyone who reaches this machine could use the studio and read its pictures; ask for a login "
            "(--auth USER:PASSWORD) or a token (--token auto), or say --insecure if that is meant"
        )


def derived(token: str, use: str) -> str:
    """64 hex digits for one use of a token, which do not tell it: HMAC-SHA256."""
    return hmac.new(token.encode(), use.encode(), "sha256").hexdigest()


def same(given: str, wanted: str) -> bool:
    """Whether they are equal, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())


class Attempts:
    """Wrong guesses of each address: after `most` within `window_s` seconds it has to wait. Safe from any thread."""

    def __init__(
        self, *, most: int = 10, window_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._window_s, self._clock = most, window_s, clock
        self._lock = threading.Lock()
        self._wrong: dict[str, deque[float]] = {}

    def wait_s(self, address: str) -> float:
        """Seconds until the address may guess again; 0 where it may now."""
        with self._lock:
            recent = self._recent(address)
            return recent[0] + self._window_s - self._clock() if len(recent) >= self._most else 0.0

    def wrong(self, address: str) -> None:
        """Count one."""
        with self._lock:
            recent = self._recent(address)
            recent.append(self._clock())
            self._wrong[address] = recent
            if len(self._wrong) > _MOST_ADDRESSES:  # a flood from many addresses does not fill the memory
                self._wrong = {key: self._recent(key) for key in self._wrong if self._recent(key)}

    def right(self, address: str) -> None:
        """Take the last one back: it was counted before its answer was known."""
        with self._lock:
            if recent := self._recent(address):
                recent.pop()

    def _recent(self, address: str) -> deque[float]:
        known = self._wrong.get(address, deque())
        while known and known[0] <= self._clock() - self._window_s:
            known.popleft()
        return known
