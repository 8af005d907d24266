"""One ``spendwatch worker``: a process per role, and how each is wired."""
