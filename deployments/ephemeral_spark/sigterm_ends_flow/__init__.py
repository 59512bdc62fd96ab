"""A folder for the Python path of a flow's process; see its `sitecustomize`."""
