"""What the path of a load tells, on made-up calls; a real load's is looked at with the flow."""

from __future__ import annotations

from tools.trace_load_path import Call, path, walks_back

COMPILE = Call(2, "tasks.extract", "tasks.compiler.compile_contract", "compile_contract", True)


def call(caller, callee, *, depth=2, function="f", carries=True):
    return Call(depth, caller, callee, function, carries)


def test_contracts_may_be_entered_as_often_as_it_takes_until_the_contract_is_compiled():
    calls = [
        *[call("tasks.lifecycle.open_run", "contracts.loader")] * 3,
        COMPILE,
        *[call("tasks.compiler.compile_contract", "contracts.schemas", depth=3)] * 3,
        call("tasks.merge", "history.write_audit_publish"),
    ]

    assert walks_back(calls) == []


def test_afterwards_once_is_enough():
    again = call("tasks.merge", "contracts.schemas")

    assert walks_back([COMPILE, again]) == []
    assert walks_back([COMPILE, again, again]) == [
        "contracts.schemas is entered 2 times after compiling"
    ]


def test_making_a_value_is_no_way_back():
    made = call("blocks.key_rings", "contracts.model", function="__create_fn__.<locals>.__init__")

    assert walks_back([COMPILE, made, made]) == []


def test_a_step_does_not_enter_a_step():
    assert walks_back([COMPILE, call("tasks.audit", "tasks.merge")]) == [
        "step tasks.merge is entered by step tasks.audit"
    ]


def test_a_contract_is_compiled_exactly_once():
    assert walks_back([]) == ["the contract is compiled 0 times"]
    assert walks_back([COMPILE, COMPILE]) == ["the contract is compiled 2 times"]


def test_the_path_has_the_calls_that_carry_something_each_once_in_a_row():
    calls = [
        call("flows.load_steps", "tasks.extract", depth=1),
        call("tasks.extract", "blocks.postgres.connection", carries=False),
        *[COMPILE] * 2,
    ]

    assert list(path(calls)) == [
        "  tasks.extract.f",
        "    tasks.compiler.compile_contract.compile_contract",
    ]
