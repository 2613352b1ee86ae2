"""Pure data: the words of this program. Imports nothing of ours, does no IO."""
