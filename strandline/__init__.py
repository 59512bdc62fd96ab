"""The command line `strandline`."""
