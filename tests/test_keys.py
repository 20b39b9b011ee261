"""Keys and signed cards from the command line."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from a2acore.signing import ALGS, canonical, load, new
from tests.test_cli import a2acode, serving

Done = subprocess.CompletedProcess[str]


def said(done: Done) -> str:
    """The one line that a command has to say."""
    [line] = done.stderr.splitlines()
    assert line.startswith("a2acode: ")
    return line.removeprefix("a2acode: ")


def make(file: Path, *args: str) -> dict[str, Any]:
    """A new key; its public half."""
    done = a2acode("keys", "new", str(file), *args)
    assert done.returncode == 0, done.stderr
    public: dict[str, Any] = json.loads(done.stdout)
    return public


# a2acode keys


@pytest.mark.parametrize("alg", [alg for alg in ALGS if alg != "HS256"])
def test_a_new_key_is_for_its_owner_alone_and_its_public_half_is_shown(
    alg: str, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    done = a2acode("keys", "new", str(file), "--alg", alg)
    assert done.returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key, public = load(file.read_bytes()), json.loads(done.stdout)
    assert public == key.public
    assert (public["alg"], public["use"]) == (alg, "sig")
    assert said(done) == f"its kid is {key.kid}"
    assert key.can_sign
    assert "d" not in public
    shown = a2acode("keys", "show", str(file))
    assert (shown.stdout, shown.stderr) == (done.stdout, done.stderr)


def test_a_key_bears_the_name_that_is_given(tmp_path: Path) -> None:
    assert make(tmp_path / "key", "--kid", "mine")["kid"] == "mine"


def test_a_secret_is_made_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    secret = ""
    for command in (("new", str(file), "--alg", "HS256"), ("show", str(file))):
        done = a2acode("keys", *command)
        secret = json.loads(file.read_text())["k"]
        assert done.returncode == 0
        assert done.stdout == ""
        assert "no public half" in done.stderr
        assert secret not in done.stderr


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    file, link = tmp_path / "key", tmp_path / "link"
    make(file)
    before = file.read_bytes()
    link.symlink_to(tmp_path / "elsewhere")
    for name in (file, link):
        done = a2acode("keys", "new", str(name))
        assert done.returncode == 2
        assert "exists already" in said(done)
    assert file.read_bytes() == before
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_that_others_can_read_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "key"
    make(file)
    file.chmod(0o644)
    assert "others can read" in a2acode("keys", "show", str(file)).stderr


def test_a_key_of_openssl_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(new("EdDSA").jwk.export_to_pem(private_key=True, password=None))
    file.chmod(0o600)
    done = a2acode("keys", "show", str(file))
    assert json.loads(done.stdout) == load(file.read_bytes()).public


# a2acode serve


def bad(tmp_path: Path, content: bytes, name: str) -> str:
    file = tmp_path / name
    file.write_bytes(content)
    file.chmod(0o600)
    return str(file)


def test_what_cannot_be_signed_with_is_found_before_anything_is_served(tmp_path: Path) -> None:
    key = str(tmp_path / "key")
    public = make(Path(key))
    encrypted = new("ES256").jwk.export_to_pem(private_key=True, password=b"open sesame")
    cases = [
        (("--sign-key", str(tmp_path / "none")), "cannot read the key file"),
        (("--sign-key", bad(tmp_path, b"", "empty")), "neither PEM nor a JWK"),
        (("--sign-key", bad(tmp_path, canonical(public), "public")), "is a public key"),
        (("--sign-key", bad(tmp_path, encrypted, "encrypted")), "it is encrypted"),
        (("--sign-key", key, "--sign-alg", "RS256"), "it is for ES256, not for RS256"),
        (("--sign-key", key, "--sign-key", key), "two of the keys are called"),
        (("--sign-key", key, "--sign-key", key, "--sign-kid", "x"), "speak of one key"),
        (("--sign-key", key, "--sign-jku", "nowhere"), "no http or https URL"),
        (("--sign-jku", "https://keys.example"), "nothing to sign with"),
        (("--sign-kid", "x"), "nothing to sign with"),
    ]
    for args, why in cases:
        done = a2acode("serve", "--backend", "echo", "--port", "0", *args)
        assert done.returncode == 2, args
        assert why in said(done)
        assert json.loads(Path(key).read_text())["d"] not in done.stderr


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `one` and `two`, which sign, their public halves, and `other`, which does
    not."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("one", "two", "other"):
        public = make(folder / name, "--kid", name, "--alg", "EdDSA")
        (folder / f"{name}.pub").write_text(json.dumps(public))
    public_halves = [json.loads((folder / f"{name}.pub").read_text()) for name in ("other", "two")]
    (folder / "set").write_text(json.dumps({"keys": public_halves}))
    return folder


@pytest.fixture(scope="module")
def signing(keys: Path) -> Iterator[str]:
    """A server that signs with two keys: one by a flag each, as when they are rotated."""
    one, two = keys / "one", keys / "two"
    args = ("--cwd", str(keys), "--sign-key", str(one), "--sign-key", str(two))
    jku = "http://127.0.0.1:1/never-asked.json"
    with serving(*args, "--sign-jku", jku) as (url, _):
        yield url


@pytest.fixture(scope="module")
def unsigned(keys: Path) -> Iterator[str]:
    with serving("--cwd", str(keys)) as (url, _):
        yield url


def test_keys_can_be_named_in_the_environment(keys: Path) -> None:
    named = os.pathsep.join(str(keys / name) for name in ("one", "two"))
    with serving("--cwd", str(keys), A2ACODE_SIGN_KEY=named) as (url, _):
        for name in ("one.pub", "two.pub"):
            done = a2acode("card", "--url", url, "--verify", "--key", str(keys / name))
            assert done.returncode == 0, done.stderr


# docs/signing.md


def test_the_program_of_the_document_verifies_a_card(
    signing: str, unsigned: str, keys: Path, tmp_path: Path
) -> None:
    document = Path(__file__).parent.parent / "docs/signing.md"
    [program] = re.findall(r"```python\n(.*?)```", document.read_text(), re.DOTALL)
    (tmp_path / "card.pub").write_bytes((keys / "one.pub").read_bytes())
    printed = {}
    for url in (signing, unsigned):
        told = program.replace("https://agent.example.com", url)
        assert told != program
        done = subprocess.run(
            [sys.executable, "-c", told], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        printed[url] = (done.stdout, done.stderr.rstrip().rpartition("\n")[2])
    assert printed[signing] == ("Echo\n", "")
    assert printed[unsigned][0] == ""
    assert "the card is not signed" in printed[unsigned][1]


# a2acode card --verify


@pytest.mark.parametrize("line", ["1.0", "0.3"])
@pytest.mark.parametrize(
    ("args", "by"),
    [
        (("--key", "one.pub"), "one"),
        (("--key", "one"), "one"),
        (("--key", "other.pub", "--key", "two.pub"), "two"),
        (("--jwks", "set"), "two"),
    ],
)
def test_a_signed_card_is_verified_and_shown(
    signing: str, keys: Path, args: tuple[str, ...], by: str, line: str
) -> None:
    files = [each if each.startswith("--") else str(keys / each) for each in args]
    done = a2acode("card", "--url", signing, "--protocol", line, "--verify", *files)
    assert done.returncode == 0, done.stderr
    assert said(done) == f"signed by {by}"
    card = json.loads(done.stdout)
    assert card["name"] == "Echo"
    assert "signatures" not in card


def test_the_keys_of_a_jku_are_fetched_where_that_is_allowed(keys: Path) -> None:
    with serving("--cwd", str(keys), "--sign-key", str(keys / "one")) as (here, _):
        jku = f"{here}/.well-known/jwks.json"
        args = ("--cwd", str(keys), "--sign-key", str(keys / "one"), "--sign-jku", jku)
        with serving(*args) as (url, _):
            done = a2acode("card", "--url", url, "--verify", "--jku-allow", here)
            assert (done.returncode, said(done)) == (0, "signed by one")
            done = a2acode("card", "--url", url, "--verify", "--jku-allow", "keys.example")
            assert done.returncode == 1
            assert "none that is trusted" in said(done)


def test_a_signed_card_is_printed_raw_as_it_is_served(signing: str, keys: Path) -> None:
    plain = a2acode("card", "--url", signing, "--raw")
    args = ("--raw", "--verify", "--key", str(keys / "one.pub"))
    verified = a2acode("card", "--url", signing, *args)
    assert verified.stdout == plain.stdout
    assert "signatures" in json.loads(plain.stdout)


def test_an_unsigned_card_fails(unsigned: str, keys: Path) -> None:
    done = a2acode("card", "--url", unsigned, "--verify", "--key", str(keys / "one.pub"))
    assert (done.returncode, done.stdout) == (1, "")
    assert said(done) == "the card is not signed"


def test_a_card_that_somebody_else_signed_fails(signing: str, keys: Path) -> None:
    done = a2acode("card", "--url", signing, "--verify", "--key", str(keys / "other.pub"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "none that is trusted" in said(done)


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--verify",), "whom to trust"),
        (("--key", "one.pub"), "whom to trust"),
        (("--verify", "--key", "nothing"), "cannot read the key file"),
        (("--verify", "--jku-allow", "http://keys.example"), "neither a host nor"),
    ],
)
def test_whom_to_trust_has_to_be_said_with_verify_and_only_then(
    signing: str, keys: Path, args: tuple[str, ...], why: str
) -> None:
    named = [str(keys / each) if each in ("one.pub", "nothing") else each for each in args]
    done = a2acode("card", "--url", signing, *named)
    assert done.returncode == 2
    assert why in said(done)
