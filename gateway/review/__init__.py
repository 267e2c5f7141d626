"""What can be said of a table without traffic: why, what if, what leaks, what is wrong with it. Pure."""
