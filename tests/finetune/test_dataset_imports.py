"""What the web process may import of a dataset's tools brings no torch along."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WITHOUT_TORCH = (
    *("archives", "auto_captions", "buckets", "caption_loop", "caption_models", "captions"),
    *("checkpoint_adapter", "data", "exclusions", "fetch_record", "hub_dataset", "hub_stream"),
    *("near_duplicates", "picture_facts", "scan", "trained_pixels"),
)


def test_scanning_and_captioning_import_no_torch() -> None:
    modules = ", ".join(f"finetune.{name}" for name in WITHOUT_TORCH)
    code = (
        f"import sys, {modules}; print(sorted({{'torch', 'diffusers', 'transformers'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
