"""How many examples each machine and model is given: shares of what a release promises (50,000 in CI, 500,000)."""

from __future__ import annotations

from typing import cast

import hypothesis

from tests.proof import size, sized


def examples(ci: int, *, steps: int = 20, release: int | None = None) -> hypothesis.settings:
    """Settings for a proof of `ci` examples in CI, ten times as many for a release.

    A fortieth in `make test`, not a tenth: a thousand examples are some seconds, and there are several machines.
    """
    count = max(10, ci // 40) if size() == "tenth" else sized(ci, release or 10 * ci)
    return hypothesis.settings(
        max_examples=count,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=cast("list[hypothesis.HealthCheck]", list(hypothesis.HealthCheck)),
    )
