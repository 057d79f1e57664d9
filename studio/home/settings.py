"""What the host allows and where the studio lives, read once from the environment. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from finetune.named_paths import expanded
from studio.home.doors import Accounts, check_exposure, check_token, parse_accounts, read_accounts

ROOT = Path(__file__).resolve().parents[2]  # the folder that holds app.py and assets/

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
    accounts: Accounts = field(default=(), repr=False)
    """Users and passwords; where there are any, the page asks for one."""
    token: str | None = field(default=None, repr=False)
    """What every request has to show, see `studio.ui.visitors.token_gate`; "auto" until the server makes one."""
    insecure: bool = False
    """Open to whoever reaches the address, although nothing is asked of them."""
    zero_gpu: bool = False
    """The GPU is lent for one call at a time (ZeroGPU): renders run in the server's own process."""
    owner: str | None = None
    """Account of a Space's author, or whom an organisation names (D4K_OWNER); nobody else may train there."""
    login: bool = False
    """The host signs people in with their account of the hub (OAuth)."""
    trains: bool = True
    """Whether the page has Fine-tune and Benchmark; without them it opens in three fifths of the time."""
    mcp: bool = False
    """Offer the measurements to agents too (needs the extra `mcp`)."""

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"the port must lie between 1 and 65535, got {self.port}; 7860 is usual")

    @property
    def trainer(self) -> str | None:
        """The one account that may train on a public host; None where nobody may: unknown, or no GPU to keep."""
        return self.owner if self.hosted and self.login and not self.zero_gpu else None

    def check_exposure(self) -> None:
        """Raise ValueError where strangers would come in unasked; for the server alone, other commands open no door."""
        guarded = bool(self.accounts) or self.token is not None
        # A Space is there for strangers; what they may do is limited (`studio.visitors.limits`).
        check_exposure(self.host, guarded=guarded, insecure=self.insecure or self.hosted)

    @property
    def shared(self) -> bool:
        """Whether others than its owner may use the page: by accounts, or unasked."""
        return self.hosted or self.insecure or bool(self.accounts)

    def check_mcp(self) -> None:
        """Raise ValueError where agents are asked for and cannot be served; for the server alone."""
        if self.mcp and self.accounts:
            raise ValueError(
                "STUDIO_MCP=1 does not go with accounts: their login is a form of the page, which guards no agent's "
                "door; ask for a token instead (--token auto)"
            )
        if self.mcp and find_spec("mcp") is None:
            raise ValueError(
                "STUDIO_MCP=1 needs the extra mcp, which is not installed; pip install 'diffusion-4k-studio[mcp]', "
                "or unset STUDIO_MCP"
            )

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], *, space_storage: Path = Path("/data")
    ) -> Settings:
        """Read STUDIO_HOME, STUDIO_HOST, STUDIO_PORT, STUDIO_MCP (1), STUDIO_TRAINING (0), a Space's.

        Who may come in: STUDIO_AUTH (user:password, one a line), STUDIO_AUTH_FILE (a file of the same), D4K_TOKEN
        (or auto), STUDIO_INSECURE (1). On a Space D4K_OWNER names its owner where that is not its author.

        `space_storage` is where a Space mounts storage that outlives it; taken where it may be written.
        """
        hosted = is_hosted(environment)
        lasting = hosted and space_storage.is_dir() and os.access(space_storage, os.W_OK | os.X_OK)
        default_home = space_storage if lasting else ROOT / "workspace"
        home = environment.get("STUDIO_HOME", str(default_home))
        if not home.strip():
            raise ValueError("STUDIO_HOME is empty; name a folder, or unset it for the default")
        port = environment.get("STUDIO_PORT", "7860")
        if not port.isdecimal():
            raise ValueError(f"STUDIO_PORT must be a number, got {port!r}; 7860 is usual")
        return cls(
            home=expanded(home).absolute(),
            host=environment.get("STUDIO_HOST", "0.0.0.0" if hosted else "127.0.0.1"),
            port=int(port),
            hosted=hosted,
            max_megapixels=HOSTED_MAX_MEGAPIXELS if hosted else LOCAL_MAX_MEGAPIXELS,
            max_upload_mib=HOSTED_MAX_UPLOAD_MIB if hosted else LOCAL_MAX_UPLOAD_MIB,
            accounts=_accounts(environment),
            token=_token(environment.get("D4K_TOKEN")),
            insecure=_yes(environment, "STUDIO_INSECURE"),
            zero_gpu=hosted and environment.get("SPACES_ZERO_GPU") == "true",
            owner=environment.get("D4K_OWNER", environment.get("SPACE_AUTHOR_NAME")) if hosted else None,
            login=hosted and "OAUTH_CLIENT_ID" in environment,
            trains=_yes(environment, "STUDIO_TRAINING", usual="1"),
            mcp=_yes(environment, "STUDIO_MCP"),
        )


def is_hosted(environment: Mapping[str, str]) -> bool:
    """Whether this is a Space: strangers use it, so nothing of the machine is theirs to name."""
    return environment.get("SYSTEM") == "spaces" or "SPACE_ID" in environment


def _yes(environment: Mapping[str, str], name: str, *, usual: str = "0") -> bool:
    text = environment.get(name, usual)
    if text not in ("0", "1"):
        raise ValueError(f"{name} must be 0 or 1, got {text!r}")
    return text == "1"


def _accounts(environment: Mapping[str, str]) -> Accounts:
    text, file = environment.get("STUDIO_AUTH"), environment.get("STUDIO_AUTH_FILE")
    given = () if text is None else parse_accounts(text.splitlines(), source="STUDIO_AUTH")
    if text is not None and not given:
        raise ValueError("STUDIO_AUTH must read user:password; set it so, or unset it for no login")
    accounts = given if file is None else (*given, *read_accounts(expanded(file)))
    users = [user for user, _ in accounts]
    if len(set(users)) < len(users):
        raise ValueError(f"a user of STUDIO_AUTH stands in {file} too; leave one entry out")
    return accounts


def _token(text: str | None) -> str | None:
    return text if text is None or text == "auto" else check_token(text)
