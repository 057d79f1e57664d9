"""Pictures as other tools leave them: their texts, put into files byte by byte, in every container and encoding met."""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import Any

from PIL import Image

TEXT = (
    "山の城, a castle 🏰\nNegative prompt: 雾, fog\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x768, Model: deliberate"
)
COMFY: dict[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 5,
            "steps": 20,
            "cfg": 7.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
            "model": ["10", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd3.5_large.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a castle", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "fog", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "oil.safetensors", "model": ["4", 0]}},
}
INVOKE = {
    "positive_prompt": "a castle",
    "negative_prompt": "fog",
    "width": 512,
    "height": 768,
    "seed": 5,
    "cfg_scale": 7.0,
    "steps": 20,
    "scheduler": "euler",
    "model": {"key": "1f", "name": "deliberate", "base": "sd-1", "type": "main"},
    "app_version": "5.6.0",
}
SWARM = {
    "sui_image_params": {
        "prompt": "a castle",
        "negativeprompt": "fog",
        "model": "deliberate",
        "seed": 5,
        "steps": 20,
        "cfgscale": 7.0,
        "aspectratio": "Custom",
        "width": 512,
        "height": 768,
        "sampler": "euler",
        "swarm_version": "0.9.5.0",
    },
    "sui_extra_data": {"date": "2025-01-05"},
}


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*extra: bytes, at_the_end: bool = False, side_px: tuple[int, int] = (96, 64)) -> bytes:
    """A real PNG with more chunks before its pixels, or behind them."""
    buffer = io.BytesIO()
    Image.new("RGB", side_px, "teal").save(buffer, format="PNG")
    whole, cut = buffer.getvalue(), 33 if not at_the_end else -12
    return whole[:cut] + b"".join(extra) + whole[cut:]


def text_chunk(keyword: str, text: str, kind: str = "iTXt") -> bytes:
    name = keyword.encode("latin-1") + b"\0"
    if kind == "tEXt":
        return chunk(b"tEXt", name + text.encode("latin-1"))
    if kind == "tEXt in UTF-8":
        return chunk(b"tEXt", name + text.encode())
    if kind == "zTXt":
        return chunk(b"zTXt", name + b"\0" + zlib.compress(text.encode()))
    if kind == "iTXt, packed":
        return chunk(b"iTXt", name + b"\1\0en\0\0" + zlib.compress(text.encode()))
    return chunk(b"iTXt", name + b"\0\0\0\0" + text.encode())


def user_comment(text: str, encoding: str) -> bytes:
    """As tools write it: the eight bytes that name an encoding, or none, and the text."""
    kinds = {
        "UNICODE, big-endian": b"UNICODE\0" + text.encode("utf-16-be"),
        "UNICODE, little-endian": b"UNICODE\0" + text.encode("utf-16-le"),
        "UNICODE with a mark": b"UNICODE\0" + text.encode("utf-16"),
        "Unicode in small letters": b"Unicode\0" + text.encode("utf-16-le"),
        "ASCII that is UTF-8": b"ASCII\0\0\0" + text.encode(),
        "unsaid": b"\0" * 8 + text.encode(),
        "without a prefix": text.encode(),
        "a mark and no prefix": b"\xff\xfe" + text.encode("utf-16-le"),
        "UTF-8 with a mark": b"\xef\xbb\xbf" + text.encode(),
    }
    return kinds[encoding]


ENCODINGS = (
    "UNICODE, big-endian",
    "UNICODE, little-endian",
    "UNICODE with a mark",
    "Unicode in small letters",
    "ASCII that is UTF-8",
    "unsaid",
    "without a prefix",
    "a mark and no prefix",
    "UTF-8 with a mark",
)


def exif(comment: bytes = b"", **tags: bytes) -> bytes:
    """A TIFF block with a user comment (type UNDEFINED), and texts under a camera's tags (type ASCII)."""
    numbers = {"ImageDescription": 0x010E, "Make": 0x010F, "Model": 0x0110, "Software": 0x0131}
    entries = [
        (numbers[name], 2, value + b"\0") for name, value in sorted(tags.items(), key=lambda t: numbers[t[0]])
    ]
    deeper = [(0x9286, 7, comment)] if comment else []
    start = 8 + 2 + 12 * (len(entries) + bool(deeper)) + 4
    body, place = b"", start
    main = struct.pack("<H", len(entries) + bool(deeper))
    for tag, kind, value in entries:
        value = value.ljust(5, b"\0")
        main += struct.pack("<HHII", tag, kind, len(value), place + len(body))
        body += value
    if deeper:
        main += struct.pack("<HHII", 0x8769, 4, 1, place + len(body))
        data_at = place + len(body) + 2 + 12 + 4
        body += struct.pack("<H", 1) + struct.pack("<HHII", 0x9286, 7, len(comment), data_at) + b"\0" * 4
        body += comment.ljust(5, b"\0")
    return b"II*\0" + struct.pack("<I", 8) + main + b"\0" * 4 + body


def jpeg(*segments: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (96, 64), "teal").save(buffer, format="JPEG")
    return buffer.getvalue()[:2] + b"".join(segments) + buffer.getvalue()[2:]


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def webp(block: bytes, *, lossless: bool = False) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (96, 64), "teal").save(
        buffer, format="WEBP", lossless=lossless, exif=b"Exif\0\0" + block
    )
    return buffer.getvalue()


def in_container(container: str, block: bytes) -> bytes:
    """The same EXIF block in each container that holds one."""
    return {
        "PNG": lambda: png(chunk(b"eXIf", block)),
        "JPEG": lambda: jpeg(segment(0xE1, b"Exif\0\0" + block)),
        "WebP": lambda: webp(block),
        "WebP, lossless": lambda: webp(block, lossless=True),
    }[container]()


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2)
