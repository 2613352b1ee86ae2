"""A Windows domain in memory. Its rules decide whether a virtual machine moves; it knows nothing of who asks, or why."""
