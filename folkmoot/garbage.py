"""The collector of cycles rests while a server starts: nothing imported is garbage, and looking costs a sixth."""

from __future__ import annotations

import gc


def rest() -> None:
    """Look for no garbage from here on."""
    gc.disable()


def resume() -> None:
    """Look again, but never at what is there now: it stays for as long as the process."""
    gc.freeze()
    gc.enable()
