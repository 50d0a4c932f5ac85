"""boto3 through the proxy, with the agent's token in the place of the access key's ID: whatever it signed is signed anew with the
stored key, as a vendor checks that rests on botocore."""

import io

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from harness.aws import Aws
from harness.keystore import Keystore

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SESSION = "FwoGZXIvYXdzEXAMPLE/session+token=="


@pytest.fixture(scope="module")
def aws():
    aws = Aws(KEY_ID, SECRET)
    yield aws
    aws.stop()


@pytest.fixture(scope="module")
def temporary():
    aws = Aws(KEY_ID, SECRET, SESSION)
    yield aws
    aws.stop()


@pytest.fixture(scope="module")
def vault(aws, temporary, tmp_path_factory):
    keystore = Keystore(tmp_path_factory.mktemp("aws"), [aws, temporary], tapped=False)
    words = ["provider", "add", "--no-verify", "--param", "region=eu-west-1", "--key-stdin"]
    field = ["--field", f"access_key_id={KEY_ID}"]
    keystore.run(*words, *field, "--base-url", aws.url, "aws-s3", stdin=SECRET)
    session = ["--name", "temporary", "--field", f"session_token={SESSION}"]
    keystore.run(*words, *field, *session, "--base-url", temporary.url, "aws-s3", stdin=SECRET)
    keystore.run(
        *words, "--param", f"access_key_id={KEY_ID}", "--base-url", aws.url, "aws-bedrock", stdin=SECRET
    )
    keystore.run(
        *words, *field, "--param", "service=dynamodb", "--base-url", aws.url, "aws", stdin=SECRET
    )
    yield keystore
    assert keystore.stop() == 0
    logs = b"".join(path.read_bytes() for path in keystore.folder.rglob("*") if path.is_file())
    for secret in (SECRET, SESSION):
        assert secret.encode() not in logs


def client(vault, service, provider, token, **config):
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=f"{vault.proxy_url}/v1/{provider}",
        aws_access_key_id=token,
        aws_secret_access_key="none",
        config=Config(retries={"max_attempts": 0}, **config),
    )


def test_objects_are_put_listed_and_read(vault, aws):
    agent = vault.agent("aws-s3:byok@default")
    s3 = client(vault, "s3", "aws-s3", agent.token, s3={"addressing_style": "path"})
    keys = ["plain.txt", "folder/a b.txt", "ümläut (1)+$&=,~.txt"]
    for key in keys:
        s3.put_object(Bucket="otters", Key=key, Body=key.encode(), Metadata={"note": "a  b"})
        assert s3.get_object(Bucket="otters", Key=key)["Body"].read() == key.encode()
    listed = s3.list_objects_v2(Bucket="otters", Prefix="", Delimiter="/", StartAfter="a b+c")
    assert [one["Key"] for one in listed["Contents"]] == sorted(keys)
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="otters", Key="missing")
    assert aws.refused == []
    rows = vault.requests(agent, count=8)
    assert {row["status"] for row in rows} == {200, 404}


def test_a_large_body_is_passed_on_as_it_arrives(vault, aws):
    agent = vault.agent("aws-s3:byok@default")
    s3 = client(vault, "s3", "aws-s3", agent.token, s3={"addressing_style": "path"})
    body = bytes(range(256)) * 4096 * 40
    s3.put_object(Bucket="otters", Key="large", Body=io.BytesIO(body))
    assert aws.objects["/otters/large"] == body
    assert aws.refused == []


def test_a_temporary_key_sends_its_token(vault, temporary):
    agent = vault.agent("aws-s3:byok@temporary")
    s3 = client(vault, "s3", "aws-s3", agent.token, s3={"addressing_style": "path"})
    s3.put_object(Bucket="otters", Key="x", Body=b"x")
    assert temporary.refused == [] and len(temporary.taken) == 1


def test_bedrock_with_an_access_key(vault, aws):
    agent = vault.agent("aws-bedrock")
    bedrock = client(vault, "bedrock-runtime", "aws-bedrock", agent.token)
    answer = bedrock.converse(
        modelId="anthropic.claude-sonnet-4-5-20250929-v1:0",
        messages=[{"role": "user", "content": [{"text": "hello"}]}],
        inferenceConfig={"maxTokens": 100},
    )
    assert answer["output"]["message"]["content"][0]["text"] == "otters"
    assert aws.refused == []
    (row,) = vault.requests(agent, count=1)
    assert (row["usage"]["input_uncached"], row["usage"]["output_text"]) == (11, 7)


def test_a_service_without_a_provider_of_its_own(vault, aws):
    agent = vault.agent("aws")
    dynamo = client(vault, "dynamodb", "aws", agent.token)
    with pytest.raises(ClientError):
        # The fake knows no tables: what counts is that it took the signature.
        dynamo.list_tables()
    assert aws.refused == []
    assert aws.taken[-1][0] == "POST"


def test_a_token_that_is_none_is_refused_as_boto3_understands_it(vault, aws):
    taken = len(aws.taken)
    s3 = client(vault, "s3", "aws-s3", "ks_" + "0" * 64, s3={"addressing_style": "path"})
    with pytest.raises(ClientError, match="401"):
        s3.get_object(Bucket="otters", Key="plain.txt")
    assert len(aws.taken) == taken
