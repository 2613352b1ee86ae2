"""Where `remediate` starts; `python -m remediations` is the same.

Importing the command line takes most of a second, in which nothing has begun: Ctrl-C then ends it without a traceback.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

ENDED_BY_CTRL_C = 130
"""As shells say it (128 and the signal's number), and as every command ends that has begun nothing."""


def main() -> None:
    """Entry point of `remediate`."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # else it is ignored, as in the background of a script, or somebody's own
        signal.signal(signal.SIGINT, _end)
    from remediations.cli import main as run  # noqa: PLC0415 (what takes so long)

    signal.signal(signal.SIGINT, before)
    run()


def _end(_number: int, _frame: FrameType | None) -> None:
    """At once: an exception in the middle of an import comes out as whatever the module that is made makes of it."""
    os._exit(ENDED_BY_CTRL_C)


if __name__ == "__main__":
    main()
