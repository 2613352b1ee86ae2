"""The remediations: one file each, with the request, the facts it needs and `plan()`. No IO, no clock, no randomness."""
