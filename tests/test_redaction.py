"""What must not be told is not told, however it is spelled, and nothing else is lost."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from a2acore.redaction import LONGEST_LINE, Flow, Redactor, secrets_of

SECRET = "s3cret/pass+word"

FORMS: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "in a URL": lambda s: quote(s, safe=""),
    "in the path of a URL": quote,
    "in a form": quote_plus,
    "in a URL in a URL": lambda s: quote(quote(s, safe=""), safe=""),
    "in JSON": lambda s: json.dumps(s)[1:-1],
    "in JSON, not in ASCII": lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
    "in JSON in JSON": lambda s: json.dumps(json.dumps(s)[1:-1])[1:-1],
    "in JSON of JavaScript": lambda s: json.dumps(s)[1:-1].replace("/", r"\/"),
    "in JSON in a URL": lambda s: quote(json.dumps(s)[1:-1], safe=""),
    "in a URL in JSON": lambda s: json.dumps(quote(s))[1:-1],
    "each byte in hexadecimal": lambda s: "".join(f"%{byte:02X}" for byte in s.encode()),
    "each unit escaped": lambda s: "".join(
        f"\\u{high:02X}{low:02x}"
        for high, low in zip(*[iter(s.encode("utf-16-be"))] * 2, strict=True)
    ),
    "as Python shows it": lambda s: repr(s)[1:-1],
    "as Python shows its bytes": lambda s: repr(s.encode())[2:-1],
    "as Python shows it in ASCII": lambda s: ascii(s)[1:-1],
    "in base64": lambda s: base64.b64encode(s.encode()).decode(),
    "in base64 for URLs": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "as a password": lambda s: base64.b64encode(b"user:" + s.encode()).decode(),
    "as a password with more": lambda s: base64.b64encode(b"u:" + s.encode() + b"\n").decode(),
    "in base64 in a URL": lambda s: quote(base64.b64encode(s.encode()).decode(), safe=""),
}

secrets = st.text(
    st.characters(exclude_categories=("Cs", "Zs", "Zl", "Zp", "Cc"), exclude_characters="*αβγδ,."),
    min_size=8,
    max_size=40,
)
ordinary = st.text("αβγδ .,\n", max_size=40)


@pytest.mark.parametrize("form", FORMS)
@given(before=ordinary, secret=secrets, after=ordinary)
@example(before="", secret=SECRET, after="")
@example(before="%", secret='%41"\\u0041/', after="%4")
@example(before="", secret="\\" * 8, after="")
@example(before="", secret="😀öäü😀öäü+/", after="")
def test_no_secret_that_was_told_survives_in_any_form(
    form: str, before: str, secret: str, after: str
) -> None:
    spelled = FORMS[form](secret)
    told = Redactor([secret])(f"{before}{spelled}{after}")
    assert spelled not in told
    assert secret not in told
    if "base64" in form or "password" in form:
        # What is left of it are the characters that it shares with its neighbours.
        left = told.removeprefix(before).removesuffix(after)
        assert len(left.replace("***", "")) < len(spelled) / 2 + 8
    else:
        assert told == f"{before}***{after}"


@given(st.lists(secrets, min_size=1, max_size=5), st.data())
def test_no_secret_survives_among_others_and_in_pieces(
    several: list[str], data: st.DataObject
) -> None:
    forms = st.sampled_from([form for form in FORMS if "base64" not in form])
    words = [data.draw(st.one_of(ordinary, st.sampled_from(several))) for _ in range(10)]
    text = "\n".join(words) + "\n" + FORMS[data.draw(forms)](several[0])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    flow = Flow(Redactor(several))
    pieces = zip([0, *cuts], [*cuts, len(text)], strict=True)
    told = "".join(flow.feed(text[start:end]) for start, end in pieces) + flow.rest()
    assert told == "".join(map(Redactor(several), text.splitlines(keepends=True)))
    for secret in several:
        assert secret not in told.replace("***", "")


@given(ordinary, st.lists(st.sampled_from(["hello", "world", "task", "42"]), max_size=20))
def test_ordinary_text_is_untouched(text: str, words: list[str]) -> None:
    said = f"{text} {' '.join(words)}"
    assert Redactor([SECRET, "hunter2"])(said) == said


ORDINARY = """
    bearer authentication is needed; send `Authorization: Bearer <token>`
    Authorization: it depends on who asks, and for what
    the token that callers must show; tokens: 12, keys: 3, secret: none
    --auth-token-file token.txt and A2ACODE_AUTH_TOKEN_FILE=/etc/a2acode/token
    https://agent.example.com:9100/.well-known/agent-card.json?monkey=3&page=2
    ssh://git@github.com/owner/repository.git and someone@example.com
    {"key": "value", "usage": {"tokens": 12}, "keys": ["a"], "tokenizer": "bpe"}
    sk-learn and task-1, urn:a2acode:work:v1, 3f2504e0-4f89-11d3-9a0c-0305e82c3301
    sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    -----BEGIN CERTIFICATE----- and -----BEGIN PUBLIC KEY-----
    eyJ is how they begin; C:\\new\\table\\under %20 100% \\u0041
""".strip().splitlines()


@pytest.mark.parametrize("line", ORDINARY)
def test_what_only_speaks_of_secrets_is_untouched(line: str) -> None:
    assert Redactor([SECRET])(line) == line


JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl"
PEM = (
    "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49AwEH\n-----END PRIVATE KEY-----"
)

LOOKS = {
    "Authorization: Bearer abc.def-123": "Authorization: ***",
    "authorization: basic dXNlcjpwYXNz; next": "authorization: ***; next",
    'Authorization: Digest username="u", response="r3sponse"': "Authorization: ***",
    "Proxy-Authorization: Basic dXNlcjpwYXNz": "Proxy-Authorization: ***",
    '{"Authorization": "Bearer xyz12345678"}': '{"Authorization": "***"}',
    "(b'authorization', b'Bearer xyz12345678')": "(b'authorization', b'***')",
    "with bearer abcd1234efgh, it said": "with bearer ***, it said",
    f"id_token {JWT} was refused": "id_token *** was refused",
    f"before\n{PEM}\nafter": "before\n***\nafter",
    json.dumps(f"before\n{PEM}\nafter"): '"before\\n***\\nafter"',
    PEM.replace("PRIVATE", "RSA PRIVATE"): "***",
    PEM.partition("\n-----END")[0]: "***",
    PEM.partition("KEY-----\n")[2]: "***",
    "key sk-ant-api03-abcdefghijklmnop": "key ***",
    "key sk-proj-0123456789abcdef0123": "key ***",
    "ghp_0123456789abcdef0123456789abcdef0123": "***",
    "github_pat_11ABCDEFG0abcdefghijklmnop": "***",
    "AKIAIOSFODNN7EXAMPLE": "***",
    "xoxb-0123456789-abcdef": "***",
    "https://user:pass@example.com/x": "https://***@example.com/x",
    "postgresql://me:p%40ss@db/x": "postgresql://***@db/x",
    "https://0123abcd@github.com/x": "https://***@github.com/x",
    "https://h.example/?a=b&token=abc&c=d": "https://h.example/?a=b&token=***&c=d",
    "https://h.example/?key=abc": "https://h.example/?key=***",
    "https://h.example/?api_key=abc#x": "https://h.example/?api_key=***#x",
    "https://h.example/?client_secret=abc": "https://h.example/?client_secret=***",
    "https://s3.example/?X-Amz-Signature=abc&x=y": "https://s3.example/?X-Amz-Signature=***&x=y",
    "https://blob.example/?sv=1&sig=abc%3D": "https://blob.example/?sv=1&sig=***",
    '{"token": "t0ken", "url": "u"}': '{"token": "***", "url": "u"}',
    '{"credentials":"a\\"b"}': '{"credentials":"***"}',
    '{\\"password\\": \\"hunter2\\"}': '{\\"password\\": \\"***\\"}',
    '{"apiKey": "abc"}': '{"apiKey": "***"}',
    "OPENAI_API_KEY=abc python x.py": "OPENAI_API_KEY=*** python x.py",
}


@pytest.mark.parametrize("text", LOOKS)
def test_a_secret_is_known_by_its_looks(text: str) -> None:
    assert Redactor()(text) == LOOKS[text]
    assert Redactor()(LOOKS[text]) == LOOKS[text]


def test_a_key_that_comes_line_by_line_is_not_told() -> None:
    flow = Flow(Redactor())
    told = [flow.feed(f"{line}\n") for line in f"before\n{PEM}\nafter".splitlines()]
    assert "".join(told) == "before\n***\n\nafter\n"


def test_each_line_of_a_secret_is_one() -> None:
    redact = Redactor(["first-line\nsecond-line\n"])
    assert redact("a first-line") == "a ***"
    assert redact("second-line b") == "*** b"
    assert redact("first-line\nsecond-line") == "***"


def test_a_line_that_never_ends_is_neither_kept_nor_told() -> None:
    flow = Flow(Redactor())
    told = [flow.feed("x" * 1000) for _ in range(2 * LONGEST_LINE // 1000)]
    assert set(told) == {""}
    assert flow.feed("x\nthe end") == "\n"
    assert flow.rest() == "the end"


@given(secrets, st.integers(0, 60))
def test_a_beginning_ends_with_no_half_of_a_secret(secret: str, most: int) -> None:
    text = f"{'x' * 30}{secret}{'y' * 10_000}"
    told = Redactor([secret]).beginning(text, most)
    assert told == Redactor([secret])(text)[:most]


def test_a_redactor_does_not_show_what_it_knows() -> None:
    assert SECRET not in repr(Redactor([SECRET]))


def test_what_was_told_later_is_known_too() -> None:
    redact = Redactor(["first-one"]).knowing(["second-one"])
    assert redact("first-one second-one") == "*** ***"


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("ANTHROPIC_API_KEY", "sk-abc", True),
        ("github_token", "ghp_abc", True),
        ("DB_PASSWORD", "hunter2", True),
        ("CLIENT_SECRET", "abcd", True),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/key.json", True),
        ("SOME_KEY", "1", False),
        ("PWD", "/root", False),
        ("PATH", "/usr/bin", False),
    ],
)
def test_a_secret_is_known_by_its_name(name: str, value: str, secret: bool) -> None:
    assert secrets_of({name: value}) == ((value,) if secret else ())


NASTY = {
    "one word": "x" * 50_000,
    "backslashes": "\\" * 50_000,
    "half a URL": "a://" * 15_000,
    "half a key": "-----BEGIN PRIVATE KEY-----\n" * 2_000,
    "lines of base64": "AAAA\n" * 10_000,
    "half a JWT": "eyJ" * 20_000,
    "half a member": '"token":"' * 6_000,
    "half a header": "authorization: bearer " * 3_000,
    "percents": "%25" * 20_000,
    "half a query": "?a-" * 20_000,
}


@pytest.mark.parametrize("name", NASTY)
def test_no_text_takes_long(name: str) -> None:
    """Strangers write what is redacted. A pattern that goes back and forth takes minutes for one
    of these."""
    redact = Redactor([f"{SECRET}{n}" for n in range(20)])
    started = time.process_time()
    redact(NASTY[name])
    assert time.process_time() - started < 2
