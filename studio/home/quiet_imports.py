"""Words of other libraries that say nothing to our users, silenced before those libraries are imported.

torchao and bitsandbytes, where installed, tell at import that parts of them that nobody asked for are not there.
"""

from __future__ import annotations

import logging

_TALKATIVE = (
    "torch.utils._pytree",
    "diffusers.quantizers.torchao.torchao_quantizer",
    "bitsandbytes.backends.cpu.ops",
)


def quiet_imports() -> None:
    """Keep what is below an error off the terminal."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
