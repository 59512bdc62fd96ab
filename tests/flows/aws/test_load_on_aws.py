"""A contract's whole load with its history on AWS, and the same load on this machine.

Each role works with its policy of docs/aws.md alone, and what it was asked for is compared.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from moto.backends import get_backend
from prefect import get_client
from prefect.settings import (
    PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK,
    PREFECT_RESULTS_PERSIST_BY_DEFAULT,
    temporary_settings,
)
from prefect_aws import S3Bucket
from pydantic import SecretStr

from blocks.lookup import block_lookup
from contracts.errors import StrandlineError
from deployments.ephemeral_spark.clusters.emr_serverless_api import Access, EmrServerlessApi
from flows.load_table import load_table
from flows.upkeep import upkeep
from tasks.auditing.export_audit_log import export_audit_log, verify_export
from tasks.auditing.export_destinations import LockedBucket
from tests.flows.aws.conftest import AUDIT, KEY, LAKE, REGION, RESULTS
from tests.flows.aws.documented_policies import documented
from tests.flows.readings import AFTER_BOTH, CANARY, FIRST, SECOND, TABLE, versions
from tools.aws_double.access_policies import Policy
from tools.aws_double.aws_requests import ACCOUNT, Right

POLICIES = documented()


@pytest.fixture(scope="module")
def loaded(make_workplace, contracts, cloud):
    """The source loaded twice with a change between, here and on AWS, there as the loader."""
    server = cloud.server
    server.policies |= {role.replace(" ", "-"): policy for role, policy in POLICIES.items()}
    local = make_workplace(contracts)
    local.execute(TABLE)
    told = SimpleNamespace(local=local, here=[], there=[], remote=None)
    bucket = S3Bucket(
        bucket_name=RESULTS, bucket_folder="strandline", credentials=cloud.credentials("loader")
    )
    bucket.save("results", overwrite=True)
    kept = {
        PREFECT_RESULTS_PERSIST_BY_DEFAULT: True,
        PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK: "s3-bucket/results",
    }
    for rows in (FIRST, SECOND):
        local.update(*rows)
        cloud.find(local)
        told.here.append(load_table("readings"))
        told.remote = cloud.place(local, "loader")
        with temporary_settings(kept):
            told.there.append(load_table("readings", return_state=True))
    return told


def used_up(cloud, role):
    """The actions and resources of a role's policy that no call of it needed."""
    rights = cloud.server.rights_of(role.replace(" ", "-"))
    policy = POLICIES[role]
    used = policy.used_by(rights)
    return {
        *{action for action, _ in policy.grants()} - {action for action, _ in used},
        *{resource for _, resource in policy.grants()} - {resource for _, resource in used},
    }


def refused(cloud, role):
    calls = [each for each in cloud.server.calls if each.call.key_id == role.replace(" ", "-")]
    assert calls
    return [f"{each.call.name} {each.call.rights}" for each in calls if each.refusal]


def test_a_whole_load_on_aws_gives_the_rows_of_the_local_one(loaded, cloud):
    assert versions(loaded.remote) == versions(loaded.local) == AFTER_BOTH
    assert cloud.client("glue").get_tables(DatabaseName="stage")["TableList"] == []
    columns = ["surrogate_key", "weight", "changed_at", "score"]
    here, there = (
        place.table("clinic.patients").select(columns).orderBy("surrogate_key").collect()
        for place in (loaded.local, loaded.remote)
    )
    assert here == there
    for name in ("quarantine", "data_lineage"):
        counts = [p.table(f"governance.{name}").count() for p in (loaded.local, loaded.remote)]
        assert counts[0] == counts[1] > 0


def test_the_loader_needs_its_policy_and_no_more(loaded, cloud):
    assert refused(cloud, "loader") == []
    assert used_up(cloud, "loader") == set()


def test_what_a_load_returns_is_kept_in_s3_and_has_no_cell(loaded, cloud):
    s3 = cloud.client("s3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=RESULTS)["Contents"]]
    assert len(keys) == len(loaded.there)
    assert all(key.startswith("strandline/") for key in keys)
    for key in keys:
        assert CANARY.encode() not in s3.get_object(Bucket=RESULTS, Key=key)["Body"].read()
    # Whoever asks has rights of their own; the loader only writes there.
    reading = S3Bucket(
        bucket_name=RESULTS, bucket_folder="strandline", credentials=cloud.credentials()
    )
    reading.save("results", overwrite=True)
    with get_client(sync_client=True) as client:
        found = client.read_flow_run(loaded.there[-1].state_details.flow_run_id).state
    assert found.result().report.opened == loaded.here[-1].report.opened == 2


def test_no_file_in_the_bucket_has_a_protected_value(loaded, cloud):
    s3 = cloud.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=LAKE)
    keys = [each["Key"] for page in pages for each in page["Contents"]]
    assert len([key for key in keys if key.endswith(".parquet")]) >= 4
    assert not [
        key for key in keys if CANARY.encode() in s3.get_object(Bucket=LAKE, Key=key)["Body"].read()
    ]


def test_every_change_of_a_glue_table_names_the_version_that_it_was_made_from(loaded, cloud):
    updates = [each.call for each in cloud.server.calls if each.call.name == "glue:UpdateTable"]
    assert updates
    assert [each.table for each in updates if not each.body.get("VersionId")] == []


def test_what_another_program_changed_meanwhile_is_not_lost(loaded, cloud):
    """moto would take both changes; the gate refuses the second one as Glue does."""
    remote, glue = loaded.remote, cloud.client("glue")
    done = []

    def another(call):
        if call.name == "glue:UpdateTable" and call.key_id == "loader" and not done:
            done.append(call.table)
            database, _, name = call.table.partition(".")
            stored = glue.get_table(DatabaseName=database, Name=name)["Table"]
            kept = ("Name", "StorageDescriptor", "TableType", "Parameters")
            glue.update_table(
                DatabaseName=database, TableInput={each: stored[each] for each in kept}
            )

    mark = cloud.server.mark()
    cloud.server.before = another
    try:
        remote.spark.sql("ALTER TABLE cloud.clinic.patients SET TBLPROPERTIES ('looked' = 'yes')")
    finally:
        cloud.server.before = None
    statuses = [k.status for k in cloud.server.since(mark) if k.call.name == "glue:UpdateTable"]
    assert sorted(statuses) == [200, 200, 400]
    assert versions(remote) == AFTER_BOTH


def test_a_reader_needs_its_policy_and_no_more(loaded, cloud):
    place = cloud.place(loaded.local, "reader", catalog="readers")
    place.settings.lakehouse.check()
    now = place.table("clinic.patients").where("is_current").count()
    moment = "TIMESTAMP '2024-01-02T23:00:00'"
    held = f"valid_from <= {moment} AND (is_current OR {moment} < valid_to)"
    then = place.table("clinic.patients").where(held).count()

    assert (now, then) == (3, 3)
    assert refused(cloud, "reader") == []
    assert used_up(cloud, "reader") == set()
    with pytest.raises(Exception, match="not authorized"):
        place.table("governance.quarantine").collect()


def test_upkeep_needs_its_policy_and_no_more(loaded, cloud):
    """An orphan file lies there since long; snapshots are older than the settings keep them."""
    place = cloud.place(loaded.local, "upkeep", catalog="kept")
    settings = place.settings.model_copy(update={"keep_days": 0, "keep_at_least": 1})
    path = loaded.local.root / "blocks-upkeep.yaml"
    block_lookup.save_local(path, ("default", settings))
    orphan = "warehouse/clinic.db/patients/data/left-over.parquet"
    cloud.client("s3").put_object(Bucket=LAKE, Key=orphan, Body=b"")
    key = get_backend("s3")[ACCOUNT]["global"].buckets[LAKE].keys[orphan]
    key.last_modified = datetime(2020, 1, 1)
    (outcome,) = upkeep()

    report = outcome.report
    assert outcome.error is None
    assert report.orphans == 1
    assert report.snapshots_expired > 0
    assert report.files_expired > 0
    kept = cloud.client("s3").list_objects_v2(Bucket=LAKE, Prefix=orphan)
    assert kept["KeyCount"] == 0
    assert versions(place) == AFTER_BOTH
    assert refused(cloud, "upkeep") == []
    assert used_up(cloud, "upkeep") == set()


def test_the_key_keeper_needs_its_policy_and_no_more(loaded, cloud):
    other = cloud.client("kms").create_key(Description="the next one")["KeyMetadata"]["Arn"]
    ring = cloud.key_ring("key-keeper")
    keys = {each.id for each in ring.status()}
    moved = ring.rewrap(ring.with_key_encryption_key(SecretStr(other)))
    back = ring.with_key_encryption_key(SecretStr(other)).rewrap(ring)

    assert moved.rewrapped == back.rewrapped == len(keys) > 0
    assert refused(cloud, "key keeper") == []
    assert used_up(cloud, "key keeper") == set()


def test_the_auditor_needs_its_policy_and_no_more(loaded, cloud):
    bucket = LockedBucket.of(f"s3://{AUDIT}/lake", cloud.credentials("auditor"))
    now = datetime.now(UTC)
    done = export_audit_log(loaded.remote.spark, loaded.remote.settings, bucket, at=now)

    assert done.records == verify_export(bucket).records > 0
    assert refused(cloud, "auditor") == []
    assert used_up(cloud, "auditor") == set()
    # moto lets a retention be shortened: none of our requests asks for one a second time.
    asked = [k.call.operation for k in cloud.server.calls if k.call.bucket == AUDIT]
    assert "PutObjectRetention" not in asked
    (put,) = [
        k.call
        for k in cloud.server.calls
        if k.call.bucket == AUDIT and k.call.operation == "PutObject"
    ]
    assert put.headers["x-amz-object-lock-mode"] == "COMPLIANCE"
    until = datetime.fromisoformat(put.headers["x-amz-object-lock-retain-until-date"])
    assert until - now > timedelta(days=3650)


def test_the_deployer_needs_its_policy_and_no_more(cloud):
    """What EMR does with a job run has doubles of its own; here it is who may call what."""
    cloud.server.policies["deployer"] = POLICIES["deployer"]
    emr = EmrServerlessApi(
        Access(region=REGION, endpoint=cloud.server.url, key_id="deployer", secret_key=KEY)
    )
    application = "00abcdef"
    job = {"application": application, "run": "1"}
    role = f"arn:aws:iam::{ACCOUNT}:role/strandline-loader"
    driver = {"sparkSubmit": {"entryPoint": "s3://b/e.py", "entryPointArguments": ["1"]}}
    for act in (
        lambda: emr.submit(
            {
                "applicationId": application,
                "executionRoleArn": role,
                "clientToken": "one",
                "name": "one",
                "jobDriver": driver,
            }
        ),
        lambda: emr.look(job),
        lambda: emr.page(job),
        lambda: emr.cancel(job),
        lambda: emr.cancel({"application": application, "name": "one"}),
    ):
        with suppress(StrandlineError):  # there is no such application
            act()

    assert refused(cloud, "deployer") == []
    assert used_up(cloud, "deployer") == set()


def test_the_gate_refuses_what_a_policy_does_not_allow(cloud):
    """Without it none of the tests above would say anything."""
    cloud.server.policies["nobody"] = Policy("nobody", ())
    for service, call in (
        ("s3", lambda client: client.list_objects_v2(Bucket=LAKE)),
        ("glue", lambda client: client.get_databases()),
        ("kms", lambda client: client.generate_data_key(KeyId=KEY, NumberOfBytes=32)),
    ):
        with pytest.raises(ClientError, match="not authorized"):
            call(cloud.client(service, "nobody"))
    rights = [Right("s3:GetObject", f"arn:aws:s3:::{LAKE}/warehouse/x")]
    assert POLICIES["reader"].refused(rights) == rights[0]
    assert "s3:DeleteObject" in {action for action, _ in POLICIES["upkeep"].grants()}
    assert POLICIES["upkeep"].used_by(rights) == {
        ("s3:GetObject", f"arn:aws:s3:::{LAKE}/warehouse/*")
    }
