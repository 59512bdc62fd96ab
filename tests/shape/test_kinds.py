"""What is done per kind of alert and channel is done for every kind that a file may name."""

from __future__ import annotations

from typing import get_args

import pytest

from blocks.alert_channels import block_of
from contracts.alerts.alert_model import Alert, Channel
from deployments.alerts.build_automations import _trigger
from deployments.alerts.message_templates import _subject_and_lines


def kinds(union):
    return get_args(get_args(union)[0])


CASES = [
    *((block_of, kind) for kind in kinds(Channel)),
    *((_trigger, kind) for kind in kinds(Alert)),
    *((_subject_and_lines, kind) for kind in kinds(Alert)),
]


@pytest.mark.parametrize(("function", "kind"), CASES, ids=lambda each: each.__name__)
def test_every_kind_has_an_answer_of_its_own(function, kind):
    assert function.dispatch(kind) is not function.dispatch(object)
