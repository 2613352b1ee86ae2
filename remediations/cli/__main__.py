"""`python -m remediations.cli`: the same as `remediate`."""

from remediations.cli import main

main()
