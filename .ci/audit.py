"""Whether a version that the tests ran with is known to be vulnerable: asked of PyPI by pip-audit, and counted.

    python .ci/audit.py PYTHON      # the interpreter whose installed packages are looked at

Ends with 1 if one is vulnerable. Where PyPI's advisories cannot be had (a mirror without them, no network), pip-audit leaves
packages out and ends well all the same; here that is said loudly, and is a failure where REQUIRE_AUDIT=1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PIP_AUDIT = "pip-audit>=2.9,<3"


def judged(report: Mapping[str, Any] | None, *, asked: int, required: bool) -> tuple[int, str]:
    """The exit code and the words for pip-audit's report (none: it could not be made) on `asked` packages."""
    told = report["dependencies"] if report is not None else []
    looked_at = [each for each in told if "skip_reason" not in each]
    bad = [each for each in looked_at if each["vulns"]]
    words = [f"{len(looked_at)} of {asked} packages looked up, {len(bad)} with a known vulnerability"]
    for each in bad:
        fixes = [f"{vuln['id']} (mended in {', '.join(vuln['fix_versions']) or 'no version yet'})" for vuln in each["vulns"]]
        words.append(f"  {each['name']} {each['version']}: {'; '.join(fixes)}")
    whole = len(looked_at) == asked
    if not whole:
        words.append(
            "NOT AUDITED: the advisories of the other packages could not be had here. Run this where PyPI itself answers,"
        )
        words.append("on these versions, before you install a release.")
    return (1 if bad or (required and not whole) else 0), "\n".join(words)


def audited(versions: list[str]) -> Mapping[str, Any] | None:
    """pip-audit's report on these pinned versions, from an environment of its own; none if there is no report."""
    with tempfile.TemporaryDirectory() as home:
        listed = Path(home, "versions.txt")
        listed.write_text("\n".join(versions), "utf-8")
        python = Path(home, "venv", "bin", "python")
        asking = [python, "-m", "pip_audit", "--no-deps", "--disable-pip", "-r", listed, "--format", "json", "--timeout", "15"]
        try:
            subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", PIP_AUDIT], check=True)
            found = subprocess.run([*asking, "--progress-spinner", "off"], check=False, stdout=subprocess.PIPE, timeout=180)
            report: Mapping[str, Any] = json.loads(found.stdout)
        except (subprocess.SubprocessError, OSError, ValueError) as error:
            print(f"pip-audit gave no report: {error}", file=sys.stderr)
            return None
    return report


def main(python: str) -> int:
    """Audit what that interpreter has installed; what was looked at stands in the output."""
    freeze = [python, "-m", "pip", "freeze", "--exclude-editable"]
    versions = subprocess.run(freeze, check=True, text=True, stdout=subprocess.PIPE).stdout.split("\n")
    pinned = [each for each in versions if "==" in each]
    print("\n".join(pinned))
    code, words = judged(audited(pinned), asked=len(pinned), required=os.environ.get("REQUIRE_AUDIT") == "1")
    print(words)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
