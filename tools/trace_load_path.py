"""Run one load and print its path: which module passes the run or the contract to which.

`python -m tools.trace_load_path` makes a small source and a lakehouse in a temporary directory,
loads one table twice, and follows the second load. It fails where a load walks back: where a module
of `contracts` is entered more than once after the contract was compiled, or a step by another step.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.overhead.place import CONTRACT, blocks_below
from contracts.model import Contract
from flows.load_table import load_table
from tasks.compiler.compile_contract import CompiledContract
from tasks.lifecycle.open_run import OpenRun
from tasks.run.run_context import Run

PACKAGES = ("contracts", "history", "blocks", "tasks", "flows")
STEPS = (
    "extract",
    "protect",
    "validate",
    "merge",
    "audit",
    "publish",
    "record_lineage_and_metrics",
)
COMPILED = ("tasks.compiler.compile_contract", "compile_contract")
_CARRIED = (Run, OpenRun, Contract, CompiledContract)


@dataclass(frozen=True, slots=True)
class Call:
    """One call from a module into another one.

    Attributes:
        depth: How many calls of this kind enclose it.
        caller: The module that calls.
        callee: The module that is called.
        function: What is called.
        carries: Whether the run or the contract is passed on.
    """

    depth: int
    caller: str
    callee: str
    function: str
    carries: bool

    @property
    def makes_a_value(self) -> bool:
        """Whether it is the generated constructor of a dataclass: no way back to a module."""
        return "__create_fn__" in self.function


@contextmanager
def followed(calls: list[Call]) -> Iterator[None]:
    """Record every call between modules of Strandline within the block, in any thread."""

    def record(frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call":
            return
        callee = _module(frame)
        if not _is_ours(callee):
            return
        caller, depth = _caller(frame)
        if caller == callee:
            return
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        carries = any(isinstance(frame.f_locals.get(name), _CARRIED) for name in names)
        calls.append(Call(depth, caller, callee, frame.f_code.co_qualname, carries))

    threading.setprofile(record)
    sys.setprofile(record)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def walks_back(calls: list[Call]) -> list[str]:
    """The violations of a load: a sentence for each thing that it should not do."""
    compiled = [at for at, each in enumerate(calls) if (each.callee, each.function) == COMPILED]
    if len(compiled) != 1:
        return [f"the contract is compiled {len(compiled)} times"]
    start, depth = compiled[0], calls[compiled[0]].depth
    after = start + 1
    while after < len(calls) and calls[after].depth > depth:
        after += 1
    entered = Counter(
        each.callee
        for each in calls[after:]
        if each.callee.startswith("contracts.")
        and not each.caller.startswith("contracts.")
        and not each.makes_a_value
    )
    steps = {f"tasks.{name}" for name in STEPS}
    return [
        *(f"{name} is entered {n} times after compiling" for name, n in entered.items() if n > 1),
        *(
            f"step {each.callee} is entered by step {each.caller}"
            for each in calls
            if each.callee in steps and each.caller in steps
        ),
    ]


def path(calls: list[Call]) -> Iterator[str]:
    """The calls that carry the run or the contract, one line each; repeated ones only once."""
    last = ""
    for each in calls:
        if each.carries and not each.makes_a_value:
            line = f"{'  ' * each.depth}{each.callee}.{each.function}"
            if line != last:
                yield line
            last = line


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in PACKAGES


def _caller(frame: FrameType) -> tuple[str, int]:
    """The nearest module of ours above, and how often the module changes on the way up."""
    above, at = [], frame.f_back
    while at is not None:
        if _is_ours(_module(at)):
            above.append(_module(at))
        at = at.f_back
    changes = sum(one != other for one, other in pairwise([_module(frame), *above]))
    return (above[0] if above else ""), changes


def main() -> int:
    """Load twice, print the path of the second load, and what walks back."""
    calls: list[Call] = []
    with tempfile.TemporaryDirectory(prefix="strandline-path-") as root, blocks_below(Path(root)):
        load_table(CONTRACT)
        with followed(calls):
            load_table(CONTRACT)
    for line in path(calls):
        print(line)
    violations = walks_back(calls)
    print("\n" + ("\n".join(violations) or "down through the layers and up once"))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
