"""The role WATCH: deltas folded into windowed tables of pages, judged, and asked over HTTP."""
