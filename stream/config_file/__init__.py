"""The configuration file: read with its lines, checked to the last error, each explained."""
