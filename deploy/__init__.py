"""What surrounds spendwatch where it runs; nothing in here is part of the program."""
