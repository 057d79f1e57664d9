"""Paths as people write them, and whether anything lies there. Standard library only.

Not here: which folders a path may lead to (`studio.home.roots`).
"""

from __future__ import annotations

from pathlib import Path

from finetune.whole_text import shortened

_LONG_LETTERS = 80


def expanded(text: str | Path) -> Path:
    """The path with `~` replaced. Raises ValueError for `~` of a user who is not here."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        user = Path(text).parts[0].removeprefix("~")
        raise ValueError(
            f"{shortened(str(text))}: there is no user {shortened(user)!r} on this machine; write the whole path"
        ) from error


def is_there(path: Path) -> bool:
    """Whether anything lies there. Raises ValueError where the system will not say: a name too long, no permission."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except ValueError:  # a name that no file can have
        return False
    except OSError as error:
        # Of a long path its end tells more than its beginning.
        named = str(path) if len(str(path)) <= _LONG_LETTERS else f"…{str(path)[-_LONG_LETTERS:]}"
        raise ValueError(f"{named} cannot be looked at ({error.strerror}); choose another") from error
    return True


def is_folder(path: Path) -> bool:
    """Whether it is a folder. Raises ValueError as `is_there` does."""
    return is_there(path) and path.is_dir()


def is_file(path: Path) -> bool:
    """Whether it is a file. Raises ValueError as `is_there` does."""
    return is_there(path) and path.is_file()
