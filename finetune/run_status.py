"""Where a training run stands, as its process says it and as it is read back. No torch.

Not here: the file that it is in, and whether that process still lives (`finetune.run_folder`).
"""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, dataclass
from typing import Literal, get_args

from finetune.run_rows import is_count, is_number

State = Literal["new", "running", "stalled", "interrupted", "stopped", "done", "failed"]
"""stalled: the process lives and is silent. interrupted: it died. stopped: as asked, and saved."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the training process says of itself."""

    state: State
    step: int = 0
    num_steps: int = 0
    stage: str = ""
    """What it is doing: "opening the model", "training", "validating", ..."""

    message: str = ""
    """One sentence for a run that ended."""

    checkpoint_step: int = 0
    """The step of the newest whole checkpoint, 0 without one."""

    pid: int = 0
    pid_born: str = ""
    """See `finetune.processes.birth`: a number alone is given away again."""

    host: str = ""
    started_at: float = 0.0
    heartbeat_at: float = 0.0


def trouble_of(content: object) -> str | None:
    """What makes it no `Status`; None where nothing does."""
    if not isinstance(content, dict):
        return f"it holds a {type(content).__name__}, not an object"
    for name, field in Status.__dataclass_fields__.items():
        if name not in content and field.default is MISSING:
            return f"{name} is missing"
        value = content.get(name, field.default)
        if name == "state":
            fits = value in get_args(State)
        elif isinstance(field.default, str):
            fits = isinstance(value, str)
        elif isinstance(field.default, int):
            fits = is_count(value)
        else:
            fits = is_number(value) and math.isfinite(value)
        if not fits:
            return f"{name} is {json.dumps(value)[:40]}"
    return None
