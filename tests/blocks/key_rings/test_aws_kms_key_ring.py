"""The ring on AWS, against moto's server; what moto does not check is looked at in the requests."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from botocore.exceptions import ConnectionClosedError
from moto.server import ThreadedMotoServer
from prefect_aws import AwsCredentials
from pydantic import SecretStr

from blocks.key_rings.aws_kms_key_ring import AwsKmsKeyRing
from blocks.key_rings.local_key_ring import LocalKeyRing
from blocks.key_rings.wrapped_key import KeyContext, WrappedKey
from contracts.errors import KeyServiceUnavailableError, KeyUnavailableError
from contracts.model.encryption_keys import TABLE_PURPOSES, KeyPurpose

TABLE = "crm.customers"
AT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def endpoint():
    """Amazon's services, played by moto; a bucket `keys` is there."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def credentials(endpoint):
    made = AwsCredentials(
        aws_access_key_id="test",
        aws_secret_access_key=SecretStr("test"),
        region_name="us-east-1",
        aws_client_parameters={"endpoint_url": endpoint},
    )
    made.get_boto3_session().client("s3", endpoint_url=endpoint).create_bucket(Bucket="keys")
    return made


@pytest.fixture(scope="module")
def kms(credentials, endpoint):
    return credentials.get_boto3_session().client("kms", endpoint_url=endpoint)


def kms_key(kms):
    return kms.create_key()["KeyMetadata"]["Arn"]


@pytest.fixture
def sent(monkeypatch):
    """(operation, headers, body) of each request that a ring sends."""
    requests = []
    make = AwsKmsKeyRing._client

    def client(self, service):
        is_new = service not in self._clients
        made = make(self, service)

        def note(request, event_name, **_):
            requests.append((event_name.rpartition(".")[2], dict(request.headers), request.body))

        if is_new:
            made.meta.events.register("before-send", note)
        return made

    monkeypatch.setattr(AwsKmsKeyRing, "_client", client)

    def take(operation):
        found = [(headers, body) for name, headers, body in requests if name == operation]
        requests.clear()
        return found

    return take


@pytest.fixture(params=["s3", "file"])
def ring(request, credentials, kms, tmp_path):
    name = f"{request.node.name}.json"
    location = f"s3://keys/rings/{name}" if request.param == "s3" else str(tmp_path / name)
    return AwsKmsKeyRing(aws_credentials=credentials, key_id=kms_key(kms), location=location)


def text_of(ring):
    return ring.storage().read()


def test_keys_are_made_by_kms_kept_and_found_again(ring, sent):
    made = ring.keys_for(TABLE, create=True, at=AT)

    requests = [json.loads(body) for _, body in sent("GenerateDataKey")]
    assert [each["EncryptionContext"] for each in requests] == [
        {
            "strandline:table": TABLE,
            "strandline:purpose": str(purpose),
            "strandline:key-id": getattr(made, purpose).id,
        }
        for purpose in TABLE_PURPOSES
    ]
    assert {(each["KeyId"], each["NumberOfBytes"]) for each in requests} == {(ring.key_id, 32)}
    assert ring.keys_for(TABLE, create=False) == made
    asked = [json.loads(body) for _, body in sent("Decrypt")]
    assert {each["KeyId"] for each in asked} == {ring.key_id}
    assert all(each["EncryptionContext"]["strandline:table"] == TABLE for each in asked)
    assert len({made.fingerprint.material, made.pseudonym.material, made.encryption.material}) == 3
    for key in (made.fingerprint, made.pseudonym, made.encryption):
        assert base64.b64encode(key.material).decode() not in text_of(ring)
        assert key.material.hex() not in text_of(ring)


def test_a_key_of_deterministic_tokens_has_two_of_256_bits(ring, sent):
    made = ring.deterministic_key("join domain emails", create=True)

    (request,) = [json.loads(body) for _, body in sent("GenerateDataKey")]
    assert request["NumberOfBytes"] == len(made.material) == 64
    assert request["EncryptionContext"]["strandline:purpose"] == "deterministic"
    assert ring.deterministic_key("join domain emails", create=False) == made


def test_rotation_counting_and_destroying_work_as_in_a_file(ring):
    first = ring.keys_for(TABLE, create=True, at=AT).encryption
    ring.reserve_uses(first.id, 10)
    second = ring.rotate(TABLE, at=AT)

    assert ring.decryption_keys(TABLE).keys() == {first.id, second.id}
    assert ring.decryption_keys(TABLE)[first.id] == first
    ring.destroy(first.id, reason="erased", at=AT)
    assert ring.decryption_keys(TABLE).keys() == {second.id}
    assert [each.uses for each in ring.status() if each.id == first.id] == [10]


def test_a_wrapped_key_opens_in_its_own_context_only(ring):
    keys = ring.keys_for(TABLE, create=True)
    document = json.loads(text_of(ring))
    document["keys"][keys.encryption.id]["table"] = "crm.orders"
    moved = json.dumps(document)
    ring.storage().change(lambda _text: moved)

    with pytest.raises(KeyUnavailableError, match="InvalidCiphertextException") as caught:
        ring.data_key(keys.encryption.id)
    assert "restore" in caught.value.next_step
    assert ring.data_key(keys.pseudonym.id) == keys.pseudonym
    assert text_of(ring) == moved


def test_rewrapping_re_encrypts_within_kms_and_leaves_the_data_keys(ring, kms, sent):
    keys = ring.keys_for(TABLE, create=True)
    new = ring.with_key_encryption_key(SecretStr(kms_key(kms)))
    sent("nothing")

    report = ring.rewrap(new)

    requests = [json.loads(body) for _, body in sent("ReEncrypt")]
    assert (report.rewrapped, report.unchanged) == (3, 0)
    assert {each["SourceKeyId"] for each in requests} == {ring.key_id}
    assert {each["DestinationKeyId"] for each in requests} == {new.key_id}
    assert all(
        each["SourceEncryptionContext"] == each["DestinationEncryptionContext"]
        and each["SourceEncryptionContext"]["strandline:key-id"] in text_of(ring)
        for each in requests
    )
    assert new.keys_for(TABLE, create=False) == keys
    assert new.rewrap().rewrapped == 0
    # moto fails on an ARN here.
    kms.disable_key(KeyId=ring.key_id.rpartition("/")[2])
    assert new.keys_for(TABLE, create=False) == keys


def test_a_local_ring_moves_to_kms_and_back(credentials, kms, tmp_path):
    local = LocalKeyRing(
        path=tmp_path / "ring.json", key_encryption_key=LocalKeyRing.generate_key()
    )
    keys = local.keys_for(TABLE, create=True)
    moved = AwsKmsKeyRing(
        aws_credentials=credentials, key_id=kms_key(kms), location=str(local.path)
    )

    with pytest.raises(KeyUnavailableError, match="local:"):
        moved.keys_for(TABLE, create=False)
    assert local.rewrap(moved).rewrapped == 3
    assert moved.keys_for(TABLE, create=False) == keys
    with pytest.raises(KeyUnavailableError, match="kms:"):
        local.keys_for(TABLE, create=False)
    assert moved.rewrap(local).rewrapped == 3
    assert local.keys_for(TABLE, create=False) == keys


def test_s3_gets_conditional_writes_with_a_checksum(credentials, kms, sent):
    ring = AwsKmsKeyRing(
        aws_credentials=credentials, key_id=kms_key(kms), location="s3://keys/written.json"
    )
    ring.keys_for(TABLE, create=True)
    ((first, _),) = sent("PutObject")
    key_id = ring.keys_for(TABLE, create=False).encryption.id
    ring.reserve_uses(key_id, 1)
    ((second, _),) = sent("PutObject")

    assert _header(first, "If-None-Match") == "*"
    assert _header(second, "If-Match").strip('"')
    assert _header(second, "If-None-Match") is None
    assert all("sha256" in str(headers).lower() for headers in (first, second))


def _header(headers, name):
    found = {key.lower(): value for key, value in headers.items()}.get(name.lower())
    return found.decode() if isinstance(found, bytes) else found


def test_of_two_that_change_the_list_at_once_none_loses_its_change(credentials, kms):
    ring = AwsKmsKeyRing(
        aws_credentials=credentials, key_id=kms_key(kms), location="s3://keys/many.json"
    )
    key_id = ring.keys_for(TABLE, create=True).encryption.id
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _n: ring.reserve_uses(key_id, 1), range(8)))

    assert [each.uses for each in ring.status() if each.id == key_id] == [8]


def test_an_object_that_was_changed_meanwhile_is_not_overwritten(credentials, kms):
    ring = AwsKmsKeyRing(
        aws_credentials=credentials, key_id=kms_key(kms), location="s3://keys/raced.json"
    )
    key_id = ring.keys_for(TABLE, create=True).encryption.id
    storage, texts = ring.storage(), []

    def change(text):
        texts.append(text)
        if len(texts) == 1:
            ring.reserve_uses(key_id, 5)
        return text.replace(TABLE, "crm.clients")

    storage.change(change)

    assert len(texts) == 2
    assert [(each.uses, each.table) for each in ring.status() if each.id == key_id] == [
        (5, "crm.clients")
    ]


@pytest.mark.parametrize(
    ("code", "error", "next_step"),
    [
        ("DisabledException", KeyUnavailableError, "Enable"),
        ("KMSInvalidStateException", KeyUnavailableError, "deletion"),
        ("AccessDeniedException", KeyUnavailableError, "policy"),
        ("ThrottlingException", KeyServiceUnavailableError, "again"),
    ],
)
def test_what_kms_refuses_is_named_with_what_to_do(ring, monkeypatch, code, error, next_step):
    """Amazon's answers; moto lets everybody in, and uses keys that are disabled."""
    ring.keys_for(TABLE, create=True)
    before, make = text_of(ring), AwsKmsKeyRing._client

    def client(self, service):
        made = make(self, service)
        answer = {"Error": {"Code": code, "Message": "canary-of-a-message"}, "ResponseMetadata": {}}
        refusal = SimpleNamespace(status_code=400)
        made.meta.events.register("before-call.kms", lambda **_: (refusal, answer))
        return made

    monkeypatch.setattr(AwsKmsKeyRing, "_client", client)
    other = ring.with_key_encryption_key(SecretStr("alias/other"))
    for act in (
        lambda: ring.keys_for(TABLE, create=False),
        lambda: ring.rotate(TABLE, at=AT),
        lambda: ring.keys_for("crm.orders", create=True),
        lambda: ring.rewrap(other),
    ):
        with pytest.raises(error) as caught:
            act()
        assert caught.value.found == code
        assert next_step in caught.value.next_step
        assert "canary" not in str(caught.value)
    assert text_of(ring) == before


def test_wrong_places_and_silent_services_have_their_own_errors(credentials, kms, monkeypatch):
    key = kms_key(kms)

    def ring(**fields):
        return AwsKmsKeyRing(
            **{"aws_credentials": credentials, "key_id": key, "location": "s3://keys/x"} | fields
        )

    with pytest.raises(KeyUnavailableError, match="NotFoundException") as caught:
        ring(key_id="alias/none").keys_for(TABLE, create=True)
    assert "key_id" in caught.value.next_step
    with pytest.raises(KeyUnavailableError, match="NoSuchBucket"):
        ring(location="s3://nowhere/x").keys_for(TABLE, create=True)
    with pytest.raises(KeyUnavailableError, match="BUCKET"):
        ring(location="s3://nowhere").keys_for(TABLE, create=True)
    with pytest.raises(KeyUnavailableError, match="Restore"):
        ring(location="s3://keys/none").keys_for(TABLE, create=False)

    def closed(*_args, **_kwargs):
        raise ConnectionClosedError(endpoint_url="http://kms")

    working = ring(location="s3://keys/silent.json")
    working.keys_for(TABLE, create=True)
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", closed)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with pytest.raises(KeyServiceUnavailableError, match="s3://keys"):
        working.keys_for(TABLE, create=False)
    context = KeyContext(TABLE, KeyPurpose.ENCRYPTION, "00000000")
    with pytest.raises(KeyServiceUnavailableError, match="Decrypt"):
        working.unwrap(WrappedKey(b"sealed", working.wrapping_key_id), context)


def test_nothing_shows_a_secret(credentials, kms):
    ring = AwsKmsKeyRing(
        aws_credentials=credentials.model_copy(
            update={"aws_secret_access_key": SecretStr("canary-secret")}
        ),
        key_id=kms_key(kms),
        location="s3://keys/shown.json",
    )
    keys = ring.keys_for(TABLE, create=True)

    shown = f"{ring!r} {ring} {ring.model_dump_json()} {keys!r} {ring.status()!r}"
    assert "canary-secret" not in shown
    assert repr(keys.encryption.material) not in shown
