"""What the host allows and where the studio lives, read once from the environment. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # the folder that holds app.py and assets/

LOCAL_MAX_MEGAPIXELS, HOSTED_MAX_MEGAPIXELS = 67.2, 16.8  # 8192 x 8192 and 4096 x 4096
LOCAL_MAX_UPLOAD_MIB, HOSTED_MAX_UPLOAD_MIB = 256, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One server's settings."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 7860
    hosted: bool = False
    """On a public host such as a Space: smaller limits, nothing of the machine is shown."""
    max_megapixels: float = LOCAL_MAX_MEGAPIXELS
    """Largest render and largest dropped picture, in millions of pixels."""
    max_upload_mib: int = LOCAL_MAX_UPLOAD_MIB
    auth: tuple[str, str] | None = None
    """User and password that the page asks for."""

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"the port must lie between 1 and 65535, got {self.port}; 7860 is usual")

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], *, space_storage: Path = Path("/data")
    ) -> Settings:
        """Read STUDIO_HOME, STUDIO_HOST, STUDIO_PORT, STUDIO_AUTH (user:password), a Space's variables.

        `space_storage` is where a Space mounts storage that outlives it.
        """
        hosted = environment.get("SYSTEM") == "spaces" or "SPACE_ID" in environment
        default_home = space_storage if hosted and space_storage.is_dir() else ROOT / "workspace"
        home = environment.get("STUDIO_HOME", str(default_home))
        if not home.strip():
            raise ValueError("STUDIO_HOME is empty; name a folder, or unset it for the default")
        port = environment.get("STUDIO_PORT", "7860")
        if not port.isdecimal():
            raise ValueError(f"STUDIO_PORT must be a number, got {port!r}; 7860 is usual")
        return cls(
            home=Path(home).expanduser().absolute(),
            host=environment.get("STUDIO_HOST", "0.0.0.0" if hosted else "127.0.0.1"),
            port=int(port),
            hosted=hosted,
            max_megapixels=HOSTED_MAX_MEGAPIXELS if hosted else LOCAL_MAX_MEGAPIXELS,
            max_upload_mib=HOSTED_MAX_UPLOAD_MIB if hosted else LOCAL_MAX_UPLOAD_MIB,
            auth=_auth(environment.get("STUDIO_AUTH")),
        )


def _auth(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise ValueError("STUDIO_AUTH must read user:password; set it so, or unset it for no login")
    return user, password
