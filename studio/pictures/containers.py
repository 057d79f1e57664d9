"""The texts that a picture file carries, found from its headers: no pixel is unpacked, however many there are.

PNG: tEXt, zTXt, iTXt and eXIf, before or after the pixels. JPEG: EXIF, XMP and comments. WebP: EXIF and XMP.
Not here: the letters inside EXIF (`studio.pictures.exif_texts`), what the texts mean (`studio.pictures.foreign_text`).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from metrics.pictures import require_file
from studio.pictures.exif_texts import exif_texts

MAX_TEXT_BYTES = 16 * 2**20
"""Of one text, unpacked. The longest workflows that people share have some two million letters."""

_PNG = b"\x89PNG\r\n\x1a\n"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # SOFn markers, which hold the size
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length


@dataclass(slots=True)
class FileTexts:
    """What one file carries beside its pixels."""

    format: Literal["PNG", "JPEG", "WEBP"]
    width_px: int = 0
    """0 where the header does not say."""

    height_px: int = 0

    texts: dict[str, str] = field(default_factory=dict)
    """By keyword of a PNG, name of an EXIF tag, "XML:com.adobe.xmp" or "comment". Of two alike, the first."""

    left_out: list[str] = field(default_factory=list)
    """One sentence for each text that could not be read."""

    def keep(self, name: str, text: str) -> None:
        if text.strip("\0 \r\n"):
            self.texts.setdefault(name, text)


def texts_of(path: Path) -> FileTexts:
    """Raises ValueError for a file that is missing, or no PNG, JPEG or WebP."""
    require_file(path)
    try:
        with path.open("rb") as file:
            start = file.read(12)
            file.seek(0)
            if start.startswith(_PNG):
                return _png(file)
            if start.startswith(b"\xff\xd8"):
                return _jpeg(file)
            if start[:4] == b"RIFF" and start[8:] == b"WEBP":
                return _webp(file)
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read ({error.strerror or error}); copy it again") from error
    raise ValueError(f"{path.name} is not a picture; drop a PNG, JPEG or WebP file")


def _png(file: BinaryIO) -> FileTexts:
    found = FileTexts("PNG")
    for kind, body in _chunks(file, len(_PNG), ">I4s", after=4, wanted=_PNG_KINDS, found=found):
        if kind == b"IHDR" and len(body) >= 8:
            found.width_px, found.height_px = struct.unpack(">II", body[:8])
        elif kind == b"eXIf":
            _keep_exif(found, body)
        elif kind != b"IHDR":
            keyword, _, rest = body.partition(b"\0")
            name = keyword.decode("latin-1")
            try:
                found.keep(name, _PNG_TEXTS[kind](rest))
            except (ValueError, zlib.error) as error:
                found.left_out.append(f"the text {name!r} cannot be unpacked ({error})")
    return found


def _plain(rest: bytes) -> str:
    """Latin-1 by the standard; UTF-8 as some write it all the same."""
    try:
        return rest.decode("utf-8")
    except UnicodeDecodeError:
        return rest.decode("latin-1")


def _packed(rest: bytes) -> str:
    return _plain(_unpacked(rest[1:]))


def _international(rest: bytes) -> str:
    packed, rest = rest[:1] == b"\1", rest[2:]
    _language, _, rest = rest.partition(b"\0")
    _translated, _, text = rest.partition(b"\0")
    return (_unpacked(text) if packed else text).decode("utf-8", "replace")


def _unpacked(content: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(content, MAX_TEXT_BYTES)
    if unpacker.unconsumed_tail:
        raise ValueError(f"it is larger than {MAX_TEXT_BYTES >> 20} MiB")
    return text


_PNG_TEXTS = {b"tEXt": _plain, b"zTXt": _packed, b"iTXt": _international}
_PNG_KINDS = frozenset({b"IHDR", b"eXIf", *_PNG_TEXTS})


def _webp(file: BinaryIO) -> FileTexts:
    found = FileTexts("WEBP")
    for kind, body in _chunks(file, 12, "<4sI", after=0, wanted=_WEBP_KINDS, found=found):
        if kind == b"VP8X" and len(body) >= 10:
            found.width_px, found.height_px = (
                int.from_bytes(body[at : at + 3], "little") + 1 for at in (4, 7)
            )
        elif kind == b"EXIF":
            _keep_exif(found, body)
        elif kind == b"XMP ":
            found.keep("XML:com.adobe.xmp", body.decode("utf-8", "replace"))
        elif not found.width_px and kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
            found.width_px, found.height_px = (side & 0x3FFF for side in struct.unpack("<HH", body[6:10]))
        elif not found.width_px and kind == b"VP8L" and body[:1] == b"\x2f":
            bits = int.from_bytes(body[1:5], "little")
            found.width_px, found.height_px = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return found


_WEBP_KINDS = frozenset({b"VP8X", b"EXIF", b"XMP ", b"VP8 ", b"VP8L"})


def _chunks(
    file: BinaryIO, start: int, head: str, *, after: int, wanted: frozenset[bytes], found: FileTexts
) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of each wanted chunk; the rest is stepped over. Ends quietly where the file is cut off.

    Pixels of a WebP begin with their size: of those chunks, ten bytes are read.
    """
    file.seek(start)
    while len(header := file.read(8)) == 8:
        values = struct.unpack(head, header)
        length, kind = values if head[0] == ">" else values[::-1]
        end = file.tell() + length + after + (length % 2 if head[0] == "<" else 0)
        if kind in wanted:
            limit = 10 if kind in (b"VP8 ", b"VP8L") else MAX_TEXT_BYTES
            if length > MAX_TEXT_BYTES and limit == MAX_TEXT_BYTES:
                found.left_out.append(f"a text of {length / 2**20:.0f} MiB, which is too long to be one")
            else:
                yield kind, file.read(min(length, limit))
        file.seek(end)


def _jpeg(file: BinaryIO) -> FileTexts:
    found = FileTexts("JPEG")
    file.seek(2)
    while (marker := _next_marker(file)) is not None and marker not in (0xD9, 0xDA):  # end, or pixels
        if marker in _ALONE:
            continue
        head = file.read(2)
        if len(head) < 2:
            break
        body = file.read(max(0, int.from_bytes(head, "big") - 2))
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            _keep_exif(found, body[6:])
        elif marker == 0xE1 and body.startswith(_XMP):
            found.keep("XML:com.adobe.xmp", body[len(_XMP) :].decode("utf-8", "replace"))
        elif marker == 0xFE:
            found.keep("comment", _plain(body))
        elif marker in _FRAMES and len(body) >= 5:
            found.height_px, found.width_px = struct.unpack(">HH", body[1:5])
    return found


def _next_marker(file: BinaryIO) -> int | None:
    """None at the end of the file. Between segments, any number of 0xFF may stand."""
    byte = file.read(1)
    while byte and byte != b"\xff":
        byte = file.read(1)
    while byte == b"\xff":
        byte = file.read(1)
    return byte[0] if byte else None


def _keep_exif(found: FileTexts, content: bytes) -> None:
    try:
        for name, text in exif_texts(content.removeprefix(b"Exif\0\0")).items():
            found.keep(name, text)
    except ValueError as error:
        found.left_out.append(str(error))
