import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookreport import cli
from bookreport.errors import BadData
from bookreport.logs import StderrHandler
from bookreport.messages import HIDDEN, MOST, MOST_TRACED, SECRETS, Secrets, json_text, plain, sentence, traced

SECRET = "correct/horse+battery@staple'"
STEERING = [
    "\x1b",
    "\x00",
    "\x7f",
    "\x80",
    "\x9b",
    "\x85",
    "\u061c",
    "\u200e",
    "\u200f",
    "\u202a",
    "\u202e",
    "\u2066",
    "\u2069",
]


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    monkeypatch.setattr(SECRETS, "_pattern", None)
    return SECRETS


@pytest.mark.parametrize(
    "said",
    [
        f"could not connect to {SECRET}",
        f"Invalid header value b{SECRET!r}",
        "GET http://me:correct%2Fhorse%2Bbattery%40staple%27@db",
        f"twice{SECRET}{SECRET}within a word",
    ],
)
def test_no_message_shows_a_secret_in_any_form(said: str, secrets: Secrets) -> None:
    secrets.keep([SECRET])
    for told in (sentence(said), traced(said), BadData(said).message, str(BadData("…", hint=said).hint)):
        assert HIDDEN in told or told == "…"
        assert "horse" not in told


def test_a_secret_is_hidden_in_its_decoded_form(secrets: Secrets) -> None:
    secrets.keep(["hunter%40two"])
    assert sentence("password hunter@two or hunter%40two") == f"password {HIDDEN} or {HIDDEN}"


def test_a_message_that_is_changed_later_shows_no_secret_either(secrets: Secrets) -> None:
    secrets.keep([SECRET])
    error = BadData("first")
    error.message = f"a.csv: {SECRET}"
    assert error.message == f"a.csv: {HIDDEN}"


def test_a_secret_within_another_does_not_leave_the_rest_of_it(secrets: Secrets) -> None:
    secrets.keep(["staple", "horse staple battery"])
    assert sentence("horse staple battery, staple") == f"{HIDDEN}, {HIDDEN}"


@pytest.mark.parametrize(
    ("secret", "said", "told"),
    [
        ("a", "a file has a bad header", "a file has a bad header"),
        ("123", "123 rows", "123 rows"),
        ("load", "load of loaded_rows, load: 'load'", f"{HIDDEN} of loaded_rows, {HIDDEN}: '{HIDDEN}'"),
        ("postgres", 'write it like postgresql://, not "postgres"', f'write it like postgresql://, not "{HIDDEN}"'),
        ("hunter2hunter2", "xhunter2hunter2y", f"x{HIDDEN}y"),
    ],
)
def test_a_short_secret_is_hidden_as_a_word_alone_and_a_trivial_one_nowhere(
    secrets: Secrets, secret: str, said: str, told: str
) -> None:
    secrets.keep([secret])
    assert sentence(said) == told


def test_the_secrets_of_one_command_are_not_those_of_the_next(secrets: Secrets) -> None:
    secrets.keep([SECRET])
    secrets.keep([])
    assert sentence(SECRET) == SECRET


def test_a_message_is_one_line_of_bounded_length_whatever_a_server_says(secrets: Secrets) -> None:
    secrets.keep([SECRET])
    told = BadData(f"S3 says:\r\n  {'x' * 5_000_000}{SECRET}").message
    assert told.startswith("S3 says: xxx")
    assert (len(told), told[-1]) == (MOST, "…")
    lines = traced("Traceback:\n" + "\n".join("x" * 100 for _ in range(50_000)) + "\nValueError: this")
    assert lines.startswith("Traceback:")
    assert lines.endswith("ValueError: this")
    assert len(lines) <= MOST_TRACED + 3


def test_a_secret_at_the_place_where_a_message_is_cut_is_hidden_first(secrets: Secrets) -> None:
    secrets.keep([SECRET])
    assert "corr" not in sentence("x" * (MOST - 5) + SECRET)


@pytest.mark.parametrize("character", STEERING, ids=ascii)
def test_what_steers_a_terminal_is_made_visible(character: str) -> None:
    assert plain(f"a{character}b") == f"a{ascii(character)[1:-1]}b"
    assert sentence(f"a{character}b").isprintable()
    assert traced(f"a\nb{character}").splitlines()[0] == "a"
    assert character not in traced(f"a{character}b")
    assert character not in json_text({"name": character}, indent=2)


@given(st.text())
def test_json_says_the_same_whatever_it_escapes(text: str) -> None:
    assert json.loads(json_text({"name": text})) == json.loads(json.dumps({"name": text})) == {"name": text}


@pytest.mark.parametrize("as_json", [False, True])
def test_no_traceback_in_the_log_shows_a_secret(secrets: Secrets, capsys: pytest.CaptureFixture[str], *, as_json: bool) -> None:
    secrets.keep([SECRET])
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        record = logging.LogRecord("bookreport", logging.DEBUG, "x.py", 1, "%s", (error,), (ValueError, error, None))
    StderrHandler(as_json=as_json).emit(record)
    told = capsys.readouterr().err
    assert HIDDEN in told
    assert "horse" not in told


def test_no_traceback_of_a_bug_shows_a_secret(
    secrets: Secrets, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError(SECRET)

    secrets.keep([SECRET])
    monkeypatch.setattr(cli.commands, "main", fail)
    with pytest.raises(SystemExit, match="1"):
        cli.main(["-v"])
    told = capsys.readouterr().err
    assert f"ValueError: {HIDDEN}" in told
    assert "Traceback" in told
    assert "horse" not in told


def test_words_in_any_script_are_left_as_they_are() -> None:
    for word in ("Español", "漢字かな", "עברית", "हिन्दी", "👩‍💻", "a\u00a0b"):
        assert plain(word) == sentence(word) == word
        assert word in json_text([word])
