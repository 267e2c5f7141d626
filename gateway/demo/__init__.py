"""``comity demo``: three partners and a coalition broker on this machine, on traffic as field units send it."""
