"""Tools for developers of Strandline; they are not part of the installed package."""
