"""Texts inside EXIF, in whichever letters they were written.

The standard gives a user comment an eight-byte name of its encoding. In the wild the name is missing, wrong, or
UNICODE, which says UTF-16 and not in which order of bytes (piexif writes the one, others the other, some a mark).
"""

from __future__ import annotations

import struct
import warnings

from PIL import Image

_EXIF_FOLDER = 0x8769
_PLAIN_TAGS = {0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software"}
_WINDOWS_TAGS = {0x9C9B: "XPTitle", 0x9C9C: "XPComment", 0x9C9E: "XPKeywords", 0x9C9F: "XPSubject"}
_USER_COMMENT = 0x9286
_UNICODE, _ASCII, _JIS, _UNSAID = b"UNICODE", b"ASCII\0\0\0", b"JIS\0\0\0\0\0", b"\0" * 8


def exif_texts(content: bytes) -> dict[str, str]:
    """By the names of the standard, from a TIFF block. ValueError if it is none."""
    exif = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tags that are cut off: the others count
            exif.load(b"Exif\0\0" + content)
            main, deeper = dict(exif), dict(exif.get_ifd(_EXIF_FOLDER))
    # Pillow reads hostile offsets and counts as they stand; these are what it then fails with.
    except (
        SyntaxError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        OverflowError,
        struct.error,
    ) as error:
        raise ValueError(f"its EXIF cannot be read ({error})") from error
    found = {}
    for tag, name in _PLAIN_TAGS.items():
        if isinstance(value := main.get(tag), str | bytes):
            found[name] = _anyhow(value)
    for tag, name in _WINDOWS_TAGS.items():
        if isinstance(value := main.get(tag), bytes | tuple):
            found[name] = bytes(value).decode("utf-16-le", "replace").rstrip("\0")
    if isinstance(value := deeper.get(_USER_COMMENT, main.get(_USER_COMMENT)), str | bytes):
        found["UserComment"] = comment_text(value)
    return found


def comment_text(value: str | bytes) -> str:
    """A user comment, with or without the name of its encoding."""
    if isinstance(value, str):
        if any(letter > "\xff" for letter in value):
            return value.rstrip("\0")
        value = value.encode("latin-1")  # as Pillow decodes what its writer called plain letters
    name, rest = value[:8], value[8:]
    if name[:7].upper() == _UNICODE:
        return _utf_16(rest)
    if name == _JIS:
        return rest.decode("iso2022_jp", "replace").rstrip("\0")
    if name in (_ASCII, _UNSAID):
        return _anyhow(rest)
    return _anyhow(value)


def _anyhow(value: str | bytes) -> str:
    """Bytes of an encoding that nobody named."""
    if isinstance(value, str):
        try:  # Pillow reads such tags as Latin-1, where many write UTF-8
            return value.encode("latin-1").decode("utf-8").rstrip("\0")
        except (UnicodeEncodeError, UnicodeDecodeError):
            return value.rstrip("\0")
    stripped = value.rstrip(b"\0")
    if stripped[:2] in (b"\xff\xfe", b"\xfe\xff") or stripped.count(0) > len(stripped) // 4:
        return _utf_16(value)
    try:
        return stripped.decode("utf-8-sig")
    except UnicodeDecodeError:
        return stripped.decode("latin-1")


def _utf_16(content: bytes) -> str:
    """In the order its mark names, else in the order that makes more of it letters of ours.

    Settings always hold Latin letters ("Steps: 20"), whatever language the prompt is in; read in the wrong order
    these become signs from all over Unicode.
    """
    content = content[: len(content) // 2 * 2]
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace").rstrip("\0")
    orders = [content.decode(order, "replace") for order in ("utf-16-be", "utf-16-le")]
    return max(orders, key=lambda text: sum("\t" <= letter < "\u024f" for letter in text)).rstrip("\0")
