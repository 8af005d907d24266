"""Stand-ins for what spendwatch talks to, so that the whole can be seen on one machine."""
