"""Series of numbers in files: what ``spendwatch score`` reads and writes."""
