"""What Prefect runs: thin, typed, named as people see them in its user interface."""

from __future__ import annotations

import warnings

# A service's account often has no home. Nothing of ours is kept in Prefect's: its server's is in the state directory.
warnings.filterwarnings("ignore", "Failed to create the Prefect home directory")
