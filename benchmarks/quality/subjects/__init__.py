"""The subjects, each in a module that imports only what its own environment has."""
