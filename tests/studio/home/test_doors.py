"""Accounts, tokens, addresses, and how fast they may be guessed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from studio.home import doors
from studio.home.doors import Attempts


def test_accounts_are_parted_at_the_first_colon() -> None:
    found = doors.parse_accounts(["ann:a:b", "", " bob :c"], source="--auth")
    assert found == (("ann", "a:b"), ("bob", "c"))


@pytest.mark.parametrize("line", ["ann", ":hunter2", "ann:", " :hunter2"])
def test_half_an_account_is_refused_without_telling_it(line: str) -> None:
    with pytest.raises(ValueError, match=r"--auth must read user:password, entry 2 does not") as caught:
        doors.parse_accounts(["bob:x", line], source="--auth")
    assert "hunter2" not in str(caught.value)


def test_a_user_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="names ann twice"):
        doors.parse_accounts(["ann:1", "ann:2"], source="--auth")


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "accounts"
    path.write_text("ann:secret\nbob:other\n")
    for mode in (0o640, 0o604, 0o620, 0o602):
        path.chmod(mode)
        with pytest.raises(ValueError, match=re.escape(f"run `chmod 600 {path}`")) as caught:
            doors.read_accounts(path)
        assert "secret" not in str(caught.value)
    path.chmod(0o600)
    assert doors.read_accounts(path) == (("ann", "secret"), ("bob", "other"))


def test_a_file_without_accounts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "accounts"
    path.touch(0o600)
    with pytest.raises(ValueError, match="holds no account"):
        doors.read_accounts(path)
    with pytest.raises(ValueError, match="cannot be read"):
        doors.read_accounts(tmp_path / "none")


def test_tokens() -> None:
    made = {doors.new_token() for _ in range(20)}
    assert len(made) == 20
    assert all(doors.check_token(token) == token for token in made)
    for bad in ("short", "x" * 15, "x" * 257, "with space in the middle", "with&more=in-the-middle", ""):
        with pytest.raises(ValueError, match="a token has 16 to 256") as caught:
            doors.check_token(bad)
        assert not bad or bad not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_on_loopback_nothing_is_asked(host: str) -> None:
    doors.check_exposure(host, guarded=False, insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "studio.lan", "127.0.0.1.example"])
def test_anywhere_else_something_is(host: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"at {host} anyone") + ".*--token auto.*--insecure"):
        doors.check_exposure(host, guarded=False, insecure=False)
    doors.check_exposure(host, guarded=True, insecure=False)
    doors.check_exposure(host, guarded=False, insecure=True)


def test_what_is_derived_differs_by_use_and_by_token() -> None:
    found = {doors.derived(token, use) for token in ("a" * 16, "b" * 16) for use in ("cookie", "name")}
    assert len(found) == 4
    assert doors.same("é", "é")
    assert not doors.same("\udce9", "e")


def test_guesses_are_slowed_and_forgotten() -> None:
    now = 100.0
    attempts = Attempts(most=3, window_s=60, clock=lambda: now)
    for second in range(3):
        assert attempts.wait_s("eve") == 0
        now = 100.0 + second
        attempts.wrong("eve")
    assert attempts.wait_s("eve") == 58.0  # the first was at 100, now is 102
    assert attempts.wait_s("ann") == 0
    now = 160.0
    assert attempts.wait_s("eve") == 0
    attempts.wrong("eve")
    assert attempts.wait_s("eve") == 1.0  # of 101, 102 and 160
    attempts.right("eve")
    assert attempts.wait_s("eve") == 0
