"""One event: from bytes to what it says, what it costs and whom it is counted against."""
