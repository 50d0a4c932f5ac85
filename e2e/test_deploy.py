"""What deploy/ holds: the image's root folder runs `ks` and nothing else, and the unit is as closed as it says."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.request

import pytest
import yaml

from harness.clients import openai_client
from harness.process import BINARIES, ROOT, Process
from harness.serve import served

KS = BINARIES / "ks"
DEPLOY = ROOT / "deploy"
USER = 65532

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="a root folder is entered by root alone")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image") / "rootfs"
    program = folder.parent / "ks"
    sections = subprocess.run(["readelf", "--sections", KS], check=True, capture_output=True, text=True).stdout
    # One that is laid out has no symbols, and strip would break it.
    subprocess.run(["strip", "-o", program, KS] if ".symtab" in sections else ["cp", KS, program], check=True)
    subprocess.run([DEPLOY / "rootfs", program, folder], check=True)
    return folder


def test_there_is_one_program_and_no_file_of_another(root):
    programs = [path for path in root.rglob("*") if path.is_file() and os.access(path, os.X_OK)]
    others = [path for path in programs if ".so" not in path.name]
    assert others == [root / "bin/ks"]
    assert not [path for path in root.rglob("*") if path.is_file() and path.stat().st_mode & 0o6022]
    again = subprocess.run([DEPLOY / "rootfs", KS, root], capture_output=True, text=True)
    assert again.returncode == 1 and "is there already" in again.stderr


@as_root
def test_it_serves_as_nobody_from_a_root_that_nobody_can_write(root):
    """As a container engine starts it: another root, read-only but for the volume, another user, no capability."""
    key, data = root.parent / "root.key", root.parent / "data"
    key.write_bytes(base64.b64encode(bytes(range(32))))
    data.mkdir()
    for path in (key, data):
        os.chown(path, USER, USER)
    key.chmod(0o400)
    (root / "etc/keystore/root.key").touch()
    settings = {
        "KS_STORE__DATA_DIR": "/var/lib/keystore",
        "KS_KMS__KEY_FILE": "/etc/keystore/root.key",
        "KS_PROXY__ADDR": "127.0.0.1:0",
        "KS_API__ADDR": "127.0.0.1:0",
        "KS_TELEMETRY__FORMAT": "json",
    }
    enter = f"""
        set -e
        mount --bind {root} {root} && mount -o remount,bind,ro {root}
        mount --bind {data} {root}/var/lib/keystore
        mount --bind {key} {root}/etc/keystore/root.key
        exec chroot --userspec={USER}:{USER} --groups= {root} /bin/ks serve
    """
    command = ["unshare", "--mount", "bash", "-c", enter]
    server = Process(command, root.parent / "ks", settings | {"PATH": os.environ["PATH"]})
    try:
        serving = server.wait_for(lambda: served(server.err.read_text()), "the line that says where it serves")
        for plane in ("proxy", "api"):
            with urllib.request.urlopen(f"http://{serving[plane]}/readyz", timeout=10) as answer:
                assert answer.status == 200
    finally:
        server.child.send_signal(signal.SIGTERM)
        assert server.child.wait(30) == 0, server.err.read_text()
    assert (data / "keystore.db").stat().st_uid == USER
    assert not list((root / "var/lib/keystore").iterdir()), "nothing was written beside the volume"


def test_the_unit_is_right_and_closed(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd here")
    unit = tmp_path / "keystore.service"
    text = (DEPLOY / "keystore.service").read_text()
    unit.write_text(text.replace("/usr/local/bin/ks", str(KS)))
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    ours = [line for line in verified.stderr.splitlines() if "keystore" in line]
    assert (verified.returncode, ours) == (0, [])
    # 0 is wholly closed, 10 open; a unit without any of it has 9.6.
    closed = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", unit]
    assert subprocess.run(closed, capture_output=True).returncode == 0


def test_the_composition_names_what_there_is():
    composition = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    keystore = composition["services"]["keystore"]
    assert (DEPLOY / keystore["build"]["context"] / keystore["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    assert keystore["read_only"] and keystore["cap_drop"] == ["ALL"]
    for service in composition["services"].values():
        assert set(service["secrets"]) <= set(composition["secrets"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    checked = subprocess.run(
        [KS, "serve", "--print-config"],
        env={name: value for name, value in keystore["environment"].items() if "_FILE" not in name}
        | {"KS_KMS__KEY": base64.b64encode(bytes(32)).decode(), "KS_STORE__URL": "postgres://localhost/keystore"},
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert checked.returncode == 0, checked.stderr
    beginning = subprocess.run(
        [KS, "serve", "--print-config", "--config", DEPLOY / "keystore.toml"],
        env={"KS_KMS__KEY": base64.b64encode(bytes(32)).decode()},
        capture_output=True,
        text=True,
    )
    assert beginning.returncode == 0, beginning.stderr


def test_dashboard_and_alerts_name_metrics_that_there_are(keystore, agent, gpt):
    """Every metric of the product that they ask for is told in docs/operations.md, and shown by a server where it has no labels."""
    asked = json.dumps(json.loads((DEPLOY / "grafana.json").read_text())) + (DEPLOY / "alerts.yaml").read_text()
    names = set(re.findall(r"\b(?:keystore|gen_ai_client)_[a-z_]+[a-z]\b(?=[{\[) ])", asked))
    say = [{"role": "user", "content": "Hello"}]
    openai_client(keystore, agent.token).chat.completions.create(model=gpt, messages=say)
    documented = (ROOT / "docs/operations.md").read_text()
    with urllib.request.urlopen(f"{keystore.api_url}/metrics", timeout=10) as answer:
        shown = answer.read().decode()
    for name in names:
        base = re.sub(r"_(bucket|count|sum)$", "", name)
        assert f"`{base}" in documented, name
        if not re.search("sink|pool|circuits|unpriced|estimated|refusals", name):  # Those are shown once there was one.
            assert f"# TYPE {re.sub('_total$', '', base)} " in shown, name
    assert len(names) > 12


def test_the_alerts_are_rules_of_prometheus():
    for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
            assert rule["labels"]["severity"] in ("page", "look")
            assert rule["annotations"]["remedy"].endswith(".")


def test_the_sources_that_the_image_is_built_from_are_not_left_out():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not {"Cargo.lock", "catalog", "crates", "openapi.json", "deploy"} & set(ignored)
