"""How one step of a load is done: one Prefect task per module, named by the step.

The modules at the top are the steps and nothing else; no step calls another one (flows do). What
all steps need is in `run`, what they report in `observability`, the pure functions over columns in
`transforms`, and what a contract becomes for a run in `compiler`.
"""
