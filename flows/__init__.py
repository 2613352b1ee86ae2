"""What Prefect runs: thin, typed, named as people see them in its user interface."""
