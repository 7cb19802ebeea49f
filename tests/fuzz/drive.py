"""Fuzz one target with atheris for so many seconds: `python -m tests.fuzz.drive TARGET SECONDS FOLDER`.

A process of its own, because libFuzzer takes the whole process with it: exit 0 is no fault found. What finds one is
written into FOLDER as `crash-...`, `timeout-...` or `oom-...`; kept as a file of `tests/fuzz/corpus/` it is tried by
every later run.
"""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path
from typing import Any

import structlog

ROOMS = ["schema", "exchange", "federation", "api"]
LONGEST = 65_536
HANG_SECONDS = 20


def main(target: str, seconds: int, folder: Path) -> None:
    """Run libFuzzer. It does not come back."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=ROOMS, enable_loader_override=False):
        targets = importlib.import_module("tests.fuzz.targets")
        seeds = importlib.import_module("tests.fuzz.seeds")
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds.seeds(target)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-timeout={HANG_SECONDS}", f"-max_len={LONGEST}", "-rss_limit_mb=3000"]
    options += [f"-artifact_prefix={folder}/", "-print_final_stats=1", "-verbosity=0", "-seed=4"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], targets.TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
