"""One module per command, or per few commands that belong together.

`command_definitions` has the arguments as they are typed. Text is drawn in `strandline.terminal`.
"""
