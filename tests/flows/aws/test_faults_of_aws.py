"""Loads that AWS refuses or answers badly: a typed error or a success, nothing in between."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from contracts.errors import LakehouseUnavailableError, SettingsError
from flows.load_table import load_table
from tasks.run.progress_listeners import listening
from tests.flows.aws.conftest import CANARY, REGION
from tests.flows.aws.documented_policies import documented
from tests.flows.readings import AFTER_BOTH, FIRST, SECOND, TABLE, versions
from tools.aws_double.access_policies import Policy, Statement
from tools.aws_double.aws_requests import ACCOUNT
from tools.aws_double.aws_server import Fault

LOADER = documented()["loader"]


@pytest.fixture(scope="module")
def place(make_workplace, contracts, cloud):
    """A history on AWS with a first load; the source has changed since."""
    local = make_workplace(contracts)
    local.execute(TABLE)
    local.update(*FIRST)
    cloud.server.policies["loader"] = LOADER
    remote = cloud.place(local, "loader")
    load_table("readings")
    local.update(*SECOND)
    return SimpleNamespace(remote=remote, before=versions(remote))


def without(action: str, resource: str) -> Policy:
    """The loader's policy, but for one action on what one resource pattern names."""
    kept = []
    for each in LOADER.statements:
        others = tuple(named for named in each.actions if named != action)
        kept.append(Statement(others, each.resources))
        if action in each.actions:
            rest = tuple(named for named in each.resources if named != resource)
            kept.append(Statement((action,), rest))
    return Policy("loader", tuple(kept))


def fails(place, kind):
    """The load's error; the history is as it was."""
    snapshots = place.remote.snapshots("clinic.patients")
    with pytest.raises(kind) as caught:
        load_table("readings")
    assert type(caught.value) is kind
    told = f"{caught.value!r} {vars(caught.value)!r} {caught.value.__cause__!r}"
    assert CANARY not in told
    assert "loader" not in caught.value.found  # neither an access key nor an ARN
    assert caught.value.next_step
    return caught.value, snapshots


def nothing_published(place, snapshots):
    assert versions(place.remote) == place.before
    assert place.remote.snapshots("clinic.patients") == snapshots


def test_a_right_that_is_missing_is_named_and_nothing_is_published(place, cloud):
    table = f"arn:aws:glue:{REGION}:{ACCOUNT}:table/clinic/*"
    cloud.server.policies["loader"] = without("glue:UpdateTable", table)
    try:
        error, snapshots = fails(place, SettingsError)
    finally:
        cloud.server.policies["loader"] = LOADER
    assert "glue:UpdateTable" in error.found
    assert "docs/aws.md" in error.next_step
    nothing_published(place, snapshots)


@pytest.mark.nightly
def test_a_bucket_that_may_not_be_written_is_said_so_and_nothing_is_published(place, cloud):
    lake = "arn:aws:s3:::acme-lake/warehouse/*"
    cloud.server.policies["loader"] = without("s3:PutObject", lake)
    try:
        error, snapshots = fails(place, SettingsError)
    finally:
        cloud.server.policies["loader"] = LOADER
    assert "403" in error.found
    nothing_published(place, snapshots)


@pytest.mark.nightly
def test_credentials_that_end_within_a_load_are_said_so_and_nothing_is_published(place, cloud):
    def end(progress):
        if (progress.step, progress.state) == ("merge", "begun"):
            cloud.server.expired.add("loader")

    try:
        with listening(end):
            error, snapshots = fails_in_the_middle(place, cloud)
    finally:
        cloud.server.expired.clear()
    assert "expired" in error.found
    assert "Renew" in error.next_step
    nothing_published(place, snapshots)


def fails_in_the_middle(place, cloud):
    snapshots = place.remote.snapshots("clinic.patients")
    with pytest.raises(SettingsError) as caught:
        load_table("readings")
    assert CANARY not in repr(vars(caught.value))
    return caught.value, snapshots


@pytest.mark.nightly
def test_an_object_store_that_stays_overloaded_is_an_error_that_may_pass(place, cloud):
    def data(call):
        return call.operation == "PutObject" and "/clinic.db/patients/data/" in call.key

    with cloud.server.failing(Fault(data, "SlowDown", 503)) as fault:
        error, snapshots = fails(place, LakehouseUnavailableError)
    assert fault.happened > 1  # it was tried again
    assert "503" in error.found
    nothing_published(place, snapshots)


def test_a_load_gets_through_throttling_errors_lost_answers_and_slow_ones(place, cloud):
    """After all the failures above; each of these is one that AWS's clients make up for."""

    def of(name, part=""):
        return lambda call: call.name == name and part in (call.key or call.table)

    faults = (
        Fault(of("glue:GetTable"), "ThrottlingException", 400, times=2),
        Fault(
            of("glue:UpdateTable", "clinic.patients"), "InternalServiceException", 500, 1, done=True
        ),
        Fault(of("s3:PutObject", "/data/"), "InternalError", 500, times=1),
        Fault(of("s3:PutObject", "/metadata/"), "SlowDown", 503, times=1),
        Fault(of("s3:GetObject", "strandline.json"), "SlowDown", 503, times=1),
        Fault(of("kms:Decrypt"), "ThrottlingException", 400, times=1),
        Fault(of("secretsmanager:GetSecretValue"), "InternalServiceError", 500, times=1),
        Fault(of("s3:GetObject", "/metadata/"), times=5, seconds=0.5),
    )
    cloud.server.faults.extend(faults)
    try:
        summary = load_table("readings")
    finally:
        cloud.server.faults.clear()
    assert [fault.happened for fault in faults] == [fault.times for fault in faults]
    assert summary.report.published
    assert versions(place.remote) == AFTER_BOTH
    assert cloud.client("glue").get_tables(DatabaseName="stage")["TableList"] == []
