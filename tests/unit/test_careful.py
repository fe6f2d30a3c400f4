"""The careful path: what is given on, what is set aside, and why."""

import csv
import io
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookreport.careful import LONGEST_LINE, RecordCheck, Reject, RejectLimit
from bookreport.rows import Columns

HEADER = ["user_id", "isbn10", "quantity", "unit_price"]
GOOD = b"u1,0306406152,2,9.99\n"


def checked(
    content: bytes, header: Iterable[str] = HEADER, *, chunk: int = 1 << 16, server_version: int = 180000, **options: object
) -> tuple[bytes, RecordCheck]:
    """Return what is given on of the bytes behind a header line, and the check that did it."""
    reading = Columns().read(list(header))
    check = RecordCheck("a.csv", reading, first_line=1, server_version=server_version, **options)
    with check.rejects:
        given_on = b"".join(check.good_rows(content[start : start + chunk] for start in range(0, len(content), chunk)))
    return given_on, check


def reasons(check: RecordCheck) -> list[tuple[int, str]]:
    return [(reject.line_number, reject.reason) for reject in check.first]


def test_good_records_are_given_on_byte_by_byte() -> None:
    content = GOOD + "ü ser,0306406152,,0\n".encode() + b'"u,1","0306406152",1,"1e2"\n'
    given_on, check = checked(content)
    assert (given_on, check.rows, check.rejected) == (content, 3, 0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\\.", "1 fields, the header has 4"),
        (b"u1,0306406152,2", "3 fields, the header has 4"),
        (b"u1,0306406152,2,9,99", "5 fields, the header has 4"),
        (b",0306406152,2,9.99", "user_id is empty"),
        (b" \t,0306406152,2,9.99", "user_id is empty"),
        (b'u1,"",2,9.99', "isbn10 is empty"),
        (b"u1,0306406152,0,9.99", "quantity '0' is not between 1 and 1,000,000"),
        (b"u1,0306406152,-1,9.99", "quantity '-1' is not between 1 and 1,000,000"),
        (b"u1,0306406152,1000001,9.99", "quantity '1000001' is not between 1 and 1,000,000"),
        (b"u1,0306406152,2.0,9.99", "quantity '2.0' is not a whole number"),
        (b"u1,0306406152,2,", "the price is empty"),
        (b"u1,0306406152,2,NaN", "unit_price 'NaN' is not a number"),
        (b"u1,0306406152,2,Infinity", "unit_price 'Infinity' is not a number"),
        (b"u1,0306406152,2,-0.01", "unit_price '-0.01' is not between 0 and 999,999,999,999"),
        (b"u1,0306406152,2,1000000000000", "unit_price '1000000000000' is not between 0 and 999,999,999,999"),
        (b"u1,0306406152,2,$5", "unit_price '$5' is not a number"),
        (b"u\x001,0306406152,2,9.99", "a NUL byte at byte 2"),
        (b"u\xff,0306406152,2,9.99", "byte 2 (0xff) is not UTF-8"),
        (b'u"1,0306406152,2,9.99', "a quote is not closed on its line"),
        (b"u1,03064\r06152,2,9.99", "isbn10 holds a line break"),
        (b"u" * 1001 + b",0306406152,2,9.99", "user_id is longer than 1,000 bytes"),
        (b"u1," + b"0" * 101 + b",2,9.99", "isbn10 is longer than 100 bytes"),
    ],
)
def test_a_bad_record_is_set_aside_alone_with_its_line_and_reason(line: bytes, reason: str) -> None:
    given_on, check = checked(GOOD + line + b"\n" + GOOD)
    assert given_on == GOOD + GOOD
    assert reasons(check) == [(3, reason)]


def test_the_raw_text_shows_exactly_what_was_there() -> None:
    _, check = checked(b"u\xff\0\x1b[1m,0306406152,2,9.99\r\n")
    assert check.first == [Reject(2, "a NUL byte at byte 3", "u\\xff\\x00\x1b[1m,0306406152,2,9.99")]


def test_blank_lines_are_no_records() -> None:
    given_on, check = checked(b"\n" + GOOD + b"  \n\r\n" + GOOD + b"\n")
    assert (given_on, check.rows, check.rejected) == (GOOD + GOOD, 2, 0)


def test_mixed_line_ends_become_one_kind() -> None:
    given_on, check = checked(GOOD.replace(b"\n", b"\r\n") + GOOD + b"u2,1,1,1\r\n" + b"u3,1,1,1")
    assert given_on == GOOD + GOOD + b"u2,1,1,1\n" + b"u3,1,1,1\n"
    assert check.rows == 4


def test_a_pair_of_stray_quotes_costs_the_two_lines_it_touches() -> None:
    content = b'u1,"1,1,1\n' + GOOD * 3 + b'u2,1",1,1\n' + GOOD
    given_on, check = checked(content)
    assert given_on == GOOD * 4
    assert [number for number, _ in reasons(check)] == [2, 6]


def test_a_stray_quote_in_a_time_or_an_unknown_column_swallows_no_sale() -> None:
    for last in ("purchased_at", "note"):
        content = b'u1,1,1,1,"x\n' + b"u2,1,1,1,x\n" + b'u3,1,1,1,x"\n'
        given_on, check = checked(content, [*HEADER, last])
        assert given_on == b"u2,1,1,1,x\n", last
        assert [number for number, _ in reasons(check)] == [2, 4], last


def test_a_text_of_several_lines_in_an_unknown_column_is_one_record() -> None:
    content = b'u1,1,1,1,"nice\nbook, ""really"""\nu2,1,1,1,\n'
    given_on, check = checked(content, [*HEADER, "note"])
    assert (given_on, check.rows, check.rejected) == (content, 2, 0)


def test_line_numbers_count_the_lines_within_a_record() -> None:
    content = b'u1,1,1,1,"a\nb\nc"\nu2,1,x,1,\n'
    _, check = checked(content, [*HEADER, "note"])
    assert reasons(check) == [(5, "quantity 'x' is not a whole number")]


def test_an_overlong_line_is_set_aside_by_its_beginning() -> None:
    given_on, check = checked(b"u" * (3 * LONGEST_LINE) + b",1,1,1\n" + GOOD)
    assert given_on == GOOD
    assert reasons(check) == [(2, f"the line has {3 * LONGEST_LINE + 6:,} bytes, more than {LONGEST_LINE:,}")]
    assert check.first[0].raw == "u" * 1000


def test_the_number_of_a_total_alone_is_enough() -> None:
    header = ["user_id", "isbn10", "unit_price", "sale_value"]
    given_on, check = checked(b"u1,1,,5\nu2,1,5,\nu3,1,,\n", header)
    assert given_on == b"u1,1,,5\nu2,1,5,\n"
    assert reasons(check) == [(4, "the price is empty")]


def test_without_a_price_column_the_catalogue_decides() -> None:
    given_on, check = checked(b"u1,978-0-306-40615-7,1\nu2,1,1\n", HEADER[:3], has_price={"0306406152"})
    assert given_on == b"u1,978-0-306-40615-7,1\n"
    assert reasons(check) == [(3, "no price, and the catalogue has none for '1'")]


def test_only_so_many_rejects_are_kept_in_memory_but_all_go_to_the_file() -> None:
    reading = Columns().read(HEADER)
    check = RecordCheck("a.csv", reading, first_line=1, server_version=180000, keep=3)
    assert b"".join(check.good_rows([b'u"1,x\n' * 50])) == b""
    with check.rejects as file:
        file.seek(0)
        written = list(csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline="")))
    assert (check.rejected, len(check.first), len(written)) == (50, 3, 50)
    assert written[49] == ["a.csv", "51", "a quote is not closed on its line", 'u"1,x']


@pytest.mark.parametrize(
    ("limit", "records", "allowed"),
    [("5", 10**6, 5), ("0", 100, 0), ("1%", 100, 10), ("1%", 5000, 50), ("0.1%", 10**6, 1000), ("0%", 100, 10)],
)
def test_a_reject_limit_is_a_count_or_a_share_that_never_means_fewer_than_ten(limit: str, records: int, allowed: int) -> None:
    assert RejectLimit.parse(limit).allowed(records) == allowed


@pytest.mark.parametrize("text", ["", "x", "1.5", "-1", "101%", "1 %x", "%"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a limit"):
        RejectLimit.parse(text)


letters = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))
dirt = st.sampled_from([b'"', b",", b"\0", b"\xff", b"\n", b"\n\\.\n", b"x", b"\r", b'"x"'])
sales = st.tuples(
    st.text(letters, min_size=1, max_size=12).filter(lambda text: text.strip(" \t\r\n")),
    st.text("0123456789X-", min_size=1, max_size=13),
    st.integers(1, 10**6).map(str) | st.just(""),
    st.decimals(0, 10**6, places=2).map(str),
)
dialects = st.fixed_dictionaries(
    {"lineterminator": st.sampled_from(["\n", "\r\n"]), "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])}
)
damages = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([b'"', b",", b"\0", b"\xff", b"\n", b"\n\\.\n", b"x", b"\r", b'"x"'])),
    max_size=6,
)


@settings(max_examples=300)
@given(st.lists(sales, max_size=30), dialects, damages, st.integers(1, 40))
def test_every_line_is_given_on_or_set_aside_and_undamaged_ones_arrive(
    records: list[tuple[str, ...]], dialect: dict[str, object], damage: list[tuple[float, bytes]], chunk: int
) -> None:
    output = io.StringIO(newline="")
    csv.writer(output, **dialect).writerows(records)
    whole = output.getvalue().encode()
    dirty = whole
    for place, what in damage:
        at = int(place * len(dirty))
        dirty = dirty[:at] + what + dirty[at:]
    given_on, check = checked(dirty, chunk=chunk)
    lines = [line.removesuffix(b"\r") for line in dirty.split(b"\n") if line.strip()]
    assert check.rows + check.rejected == len(lines)
    given_lines = given_on.split(b"\n")[:-1]
    assert len(given_lines) == check.rows
    for line in {line.removesuffix(b"\r") for line in whole.split(b"\n") if line.strip()} & set(lines):
        assert given_lines.count(line) == lines.count(line)
    if not damage:
        assert given_lines == lines
