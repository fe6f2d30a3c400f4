import pytest

from bookreport import errors
from bookreport.errors import (
    BadData,
    BookreportError,
    ChangedWhileLoading,
    CommitUnknown,
    Configuration,
    CopyRefused,
    Interrupted,
    Locked,
    NotReady,
    Temporary,
    Usage,
    gravest,
)

TABLE = [
    (BookreportError("…"), 1, "error"),
    (Usage("…"), 2, "usage"),
    (NotReady("…"), 3, "not-ready"),
    (BadData("…"), 4, "bad-data"),
    (ChangedWhileLoading("…"), 4, "bad-data"),
    (CopyRefused("…"), 4, "bad-data"),
    (Temporary("…"), 5, "temporary"),
    (CommitUnknown("…"), 5, "temporary"),
    (Configuration("…"), 6, "config"),
    (Locked("…"), 7, "locked"),
    (Interrupted(2), 130, "interrupted"),
    (Interrupted(15), 143, "interrupted"),
]


@pytest.mark.parametrize(("error", "code", "kind"), TABLE)
def test_each_failure_has_the_exit_code_and_the_kind_that_scripts_know(
    error: BookreportError | Interrupted, code: int, kind: str
) -> None:
    assert (error.exit_code, error.kind) == (code, kind)


def test_no_failure_has_an_exit_code_that_scripts_do_not_know() -> None:
    known = {(code, kind) for _, code, kind in TABLE}
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert {(failure.exit_code, failure.kind) for failure in classes if issubclass(failure, BookreportError)} <= known


def test_a_failure_carries_its_hint_and_its_hour() -> None:
    error = NotReady("not yet", hint="wait", hour="2024-05-01T13:00:00Z")
    assert (str(error), error.message, error.hint, error.hour) == ("not yet", "not yet", "wait", "2024-05-01T13:00:00Z")


ORDER = [Configuration("…"), BookreportError("…"), Temporary("…"), BadData("…"), Locked("…"), NotReady("…")]


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_of_several_hours_the_gravest_failure_gives_the_exit_code(first: int) -> None:
    assert gravest(list(reversed(ORDER[first:]))) == ORDER[first].exit_code


def test_an_interruption_passes_those_who_catch_every_exception() -> None:
    assert not isinstance(Interrupted(15), Exception)


def test_without_a_failure_the_exit_code_is_0() -> None:
    assert gravest([]) == 0
