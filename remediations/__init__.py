"""Find out why a virtual machine would not move, mend it with the least harm, prove it, and leave a trail."""
