"""The careful path: what passes, what is set aside, and why."""

import csv
import io
from collections.abc import Container, Iterable, Iterator
from contextlib import nullcontext, suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookreport.columns import Columns
from bookreport.errors import BadData, BookreportError, TooManyRejects
from bookreport.lines import Lines
from bookreport.records import RecordCheck
from bookreport.rejects import FirstRejects, HourRejects, Reject, RejectLimit
from bookreport.rows import LONGEST_LINE
from work import work_of

HEADER = ["user_id", "isbn10", "quantity", "unit_price"]
GOOD = b"u1,0306406152,2,9.99\n"
UNLIMITED = RejectLimit(percent=Decimal(100))


def checked(
    content: bytes,
    header: Iterable[str] = HEADER,
    *,
    chunk: int = 1 << 16,
    server_version: int = 180000,
    has_price: Container[str] = (),
    reject_limit: RejectLimit = UNLIMITED,
) -> tuple[bytes, RecordCheck]:
    """Return the bytes after the header line that pass the check, and the check."""
    columns = Columns()
    reading = columns.read(list(header))
    check = RecordCheck(
        "a.csv",
        reading,
        columns,
        header_lines=1,
        server_version=server_version,
        hour_rejects=HourRejects(reject_limit, {"a.csv": len(content)}),
        has_price=has_price,
    )
    with check.rejects:
        given_on = b"".join(check.good_rows(content[start : start + chunk] for start in range(0, len(content), chunk)))
    return given_on, check


def reasons(check: RecordCheck) -> list[tuple[int, str]]:
    return [(reject.line_number, reject.reason) for reject in check.hour_rejects.first]


def test_good_records_are_given_on_byte_by_byte() -> None:
    content = GOOD + "ü ser,0306406152,,0\n".encode() + b'"u,1","0306406152",1,"1e2"\n'
    given_on, check = checked(content)
    assert (given_on, check.rows, check.rejected) == (content, 3, 0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\\.", "1 fields, but the header has 4"),
        (b"u1,0306406152,2", "3 fields, but the header has 4"),
        (b"u1,0306406152,2,9,99", "5 fields, but the header has 4"),
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
        (b"u\x001,0306406152,2,9.99", "byte 2 is NUL"),
        (b"u\xff,0306406152,2,9.99", "byte 2 (0xff) is not UTF-8"),
        (b'"u1,0306406152,2,9.99', "a quote is not closed on its line"),
        (b'u"1,0306406152,2,9.99', "field 1 contains a quote but is not quoted"),
        (b'u"1",0306406152,2,9.99', "field 1 contains a quote but is not quoted"),
        (b'u1,0306406152,2,1"2".50', "field 4 contains a quote but is not quoted"),
        (b'\\"twice\\",0306406152,2,9.99', "field 1 contains a quote but is not quoted"),
        (b'"Men\'s Boxer, 5","" Inseam,2,9.99', "field 2 has text after its closing quote"),
        (b'u1, "0306406152",2,9.99', "field 2 has a space before its opening quote"),
        (b'u1,="0306406152",2,9.99', 'field 2 is a spreadsheet formula, ="…"'),
        (b'"u1" ,0306406152,2,9.99', "field 1 has text after its closing quote"),
        (b'"u\r1",0306406152,2,9.99', "user_id contains a line break"),
        (b"user_id,isbn10,quantity,unit_price", "repeats the header"),
        (b"\xef\xbb\xbfUser ID,ISBN-10,Quantity,Unit-Price", "repeats the header"),
        (b"u1,0306406152,2,1e99999999999999999999", "unit_price '1e99999999999999999999' is not between 0 and 999,999,999,999"),
        (b"u1,0306406152,2,0e999999999999", "unit_price '0e999999999999' is not between 0 and 999,999,999,999"),
        (b"u1,0306406152,2,1e" + b"9" * 5000, f"unit_price '1e{'9' * 48}…' is not between 0 and 999,999,999,999"),
        (b"u1,03064\r06152,2,9.99", "field 2 contains a line break but is not quoted"),
        (b'\xef\xbb\xbf"User ID","ISBN-10",Quantity,Unit-Price', "repeats the header"),
        (b"user_id;isbn10;quantity;unit_price", "repeats the header"),
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
    assert check.hour_rejects.first == [Reject("a.csv", 2, "byte 3 is NUL", "u\\xff\\x00\x1b[1m,0306406152,2,9.99")]


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


def test_line_ends_within_a_text_are_kept_as_they_are_written() -> None:
    content = b'u1,1,1,1,"one\r\ntwo\nthree"\r\nu2,1,1,1,x\r\n'
    given_on, check = checked(content, [*HEADER, "note"])
    assert given_on == b'u1,1,1,1,"one\r\ntwo\nthree"\nu2,1,1,1,x\n'
    assert (check.rows, check.rejected) == (2, 0)


@pytest.mark.parametrize("between", [b"u2,1,1,1,y\n", b"u2,1,n/a,n/a,y\n", b"u2,0306406152,12,50,1,y\n"])
def test_a_line_that_looks_like_a_record_is_never_part_of_a_text(between: bytes) -> None:
    _, check = checked(b'u1,1,1,1,"x\n' + between + b'u3,1,1,n/a,"z\n', [*HEADER, "note"])
    assert check.rows + check.rejected == 3


def test_two_records_that_stray_quotes_join_to_one_of_the_right_fields_are_both_set_aside() -> None:
    header = ["user_id", "isbn10", "note", "unit_price"]
    given_on, check = checked(b'u1,1,"x,1.00\nu2,1,y",2.00\n', header)
    assert (given_on, [number for number, _ in reasons(check)]) == (b"", [2, 3])


def test_a_line_that_was_read_and_not_accounted_for_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    skip = Lines.skip
    monkeypatch.setattr(Lines, "skip", lambda lines, number: skip(lines, number + 1))
    with pytest.raises(BookreportError, match="4 lines were read, but 3 accounted for"):
        checked(b'u1,1,1,1,"two\nlines"\nu2,1,1,1,lost\nu3,1,1,1,x\n', [*HEADER, "note"])


@pytest.mark.parametrize("header", [["note", *HEADER], [*HEADER[:2], "note", *HEADER[2:]], [*HEADER, "note"]])
def test_a_text_may_go_on_over_lines_in_any_column(header: list[str]) -> None:
    values = {"user_id": "u1", "isbn10": "1", "quantity": "1", "unit_price": "1", "note": '"nice,\nvery nice,\n\nbook"'}
    content = ",".join(values[name] for name in header).encode() + b"\n"
    given_on, check = checked(content, header)
    assert (given_on, check.rows, check.rejected) == (content, 1, 0)


def test_a_record_whose_user_is_trimmed_keeps_the_lines_of_its_text() -> None:
    given_on, check = checked(b' u1,1,1,1,"one\r\ntwo\rthree\nfour"\n', [*HEADER, "note"])
    assert given_on == b'u1,1,1,1,"one\r\ntwo\rthree\nfour"\n'
    assert check.rejected == 0


def test_a_carriage_return_without_quotes_is_no_part_of_a_text() -> None:
    given_on, check = checked(b"u1,1,1,1,o\rne\nu2,1,1,1,x\n", [*HEADER, "note"])
    assert given_on == b"u2,1,1,1,x\n"
    assert reasons(check) == [(2, "field 5 contains a line break but is not quoted")]


def test_a_bad_record_of_several_lines_is_one_reject() -> None:
    _, check = checked(b'u1,1,1,n/a,"nice\nbook"\nu2,1,1,1,\n', [*HEADER, "note"])
    assert check.hour_rejects.first == [Reject("a.csv", 2, "unit_price 'n/a' is not a number", 'u1,1,1,n/a,"nice\nbook"')]
    assert check.rows == 1


@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0", "\ufeff", " \ufeff "])
def test_blanks_and_byte_order_marks_around_user_and_isbn_do_not_count(blank: str) -> None:
    given_on, check = checked(f'{blank}u1{blank},{blank}0306406152,2,9.99\n"{blank}u1",0306406152{blank},2, 9.99\n'.encode())
    assert given_on == b"u1,0306406152,2,9.99\nu1,0306406152,2, 9.99\n"
    assert check.rejected == 0


@pytest.mark.parametrize(
    "other",
    [
        b"isbn10,user_id,quantity,unit_price",
        b"ISBN,Title,Price",
        b"user,isbn,,",
        b'\xef\xbb\xbf"isbn10","user_id","quantity","unit_price"',
        b' "isbn10", "user_id", "quantity", "unit_price"',
        b"isbn10;user_id;quantity;unit_price",
        b"isbn10,user_id,price,2024",
        b"u9,0306406152,1,12.50isbn10,user_id,quantity,unit_price",
        b"isbn10,user_id,quantity,unit_price0306406152,v1,3,9.99",
        b"order,user_id,shop,isbn10,country,currency,price",
    ],
)
def test_another_header_within_a_file_refuses_it(other: bytes) -> None:
    with pytest.raises(BadData, match="line 3: a second header") as caught:
        checked(GOOD + other + b"\n" + GOOD)
    assert caught.value.hint


def test_the_files_own_header_behind_a_lost_line_end_costs_the_record_before_it() -> None:
    given_on, check = checked(GOOD + b"u9,0306406152,1,12.50user_id,isbn10,quantity,unit_price\n" + GOOD)
    assert given_on == GOOD * 2
    assert reasons(check) == [(3, "a record without its line end, followed by the header")]


def test_a_bad_record_with_words_that_name_columns_is_no_header() -> None:
    given_on, check = checked(b"u1,978-abc,1,n/a,customer,copies\n", [*HEADER, "kind", "unit"])
    assert (given_on, check.rejected) == (b"", 1)


def test_a_line_of_many_commas_may_be_part_of_a_text() -> None:
    content = b'u1,1,1,1,"12 High Street,\nLondon, N1, near the old bridge, England, UK"\n'
    given_on, check = checked(content, [*HEADER, "address"])
    assert (given_on, check.rejected) == (content, 0)


@pytest.mark.parametrize("marks", ["''", "\u2018\u2019", "\u201c\u201d"])
def test_a_file_with_apostrophes_for_quotes_is_refused_when_most_records_have_them(marks: str) -> None:
    quoted = "{0}u1{1},{0}0306406152{1},2,9.99\n".format(*marks).encode()
    with pytest.raises(BadData, match="2 of 3 records are quoted with apostrophes"):
        checked(GOOD + quoted * 2)
    given_on, _ = checked(GOOD * 2 + quoted)
    assert given_on == GOOD * 2 + quoted


def test_an_overlong_line_does_not_hide_what_follows_it() -> None:
    content = GOOD + b"u" * (3 * LONGEST_LINE) + b",1,1,1\nu\xff,1,1,1\n" + GOOD
    given_on, check = checked(content, chunk=1 << 18)
    assert given_on == GOOD * 2
    assert [number for number, _ in reasons(check)] == [3, 4]


def test_line_numbers_count_the_lines_within_a_record() -> None:
    content = b'u1,1,1,1,"a\nb\nc"\nu2,1,x,1,\n'
    _, check = checked(content, [*HEADER, "note"])
    assert reasons(check) == [(5, "quantity 'x' is not a whole number")]


def test_an_overlong_line_is_set_aside_by_its_beginning() -> None:
    given_on, check = checked(b"u" * (3 * LONGEST_LINE) + b",1,1,1\n" + GOOD)
    assert given_on == GOOD
    assert reasons(check) == [(2, f"the line has {3 * LONGEST_LINE + 6:,} bytes; the limit is {LONGEST_LINE:,}")]
    assert check.hour_rejects.first[0].raw == "u" * 1000


@pytest.mark.parametrize("chunk", [1 << 16, 1 << 20, 5 << 20])
def test_how_far_a_text_may_go_on_does_not_depend_on_the_chunks_it_comes_in(chunk: int) -> None:
    for length, rows in ((LONGEST_LINE, 1), (LONGEST_LINE + 1, 0)):
        text = b"x" * (LONGEST_LINE - 12) + b"\ny\n" + b"z" * (length - 3) + b'"\n'
        assert len(text.split(b"\n", 1)[1]) == length + 1
        _, check = checked(b'u1,1,1,1,"' + text, [*HEADER, "note"], chunk=chunk)
        assert (check.rows, check.rejected) == (rows, 3 * (1 - rows))


def test_the_number_of_a_total_alone_is_enough() -> None:
    header = ["user_id", "isbn10", "unit_price", "sale_value"]
    given_on, check = checked(b"u1,1,,5\nu2,1,5,\nu3,1,,\n", header)
    assert given_on == b"u1,1,,5\nu2,1,5,\n"
    assert reasons(check) == [(4, "the price is empty")]


def test_without_a_price_column_the_catalogue_decides() -> None:
    given_on, check = checked(b"u1,978-0-306-40615-7,1\nu2,1,1\n", HEADER[:3], has_price={"0306406152"})
    assert given_on == b"u1,978-0-306-40615-7,1\n"
    assert reasons(check) == [(3, "has no price, nor has the catalogue for '1'")]


def test_only_so_many_rejects_are_kept_in_memory_but_all_go_to_the_file() -> None:
    columns = Columns()
    rejects = HourRejects(UNLIMITED, {})
    rejects.first = FirstRejects(most=3)
    check = RecordCheck("a.csv", columns.read(HEADER), columns, header_lines=1, server_version=180000, hour_rejects=rejects)
    assert b"".join(check.good_rows([b'"u1,x\n' * 50])) == b""
    with check.rejects as file:
        file.seek(0)
        written = list(csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline="")))
    assert (check.rejected, rejects.count, len(rejects.first), len(written)) == (50, 50, 3, 50)
    assert written[49] == ["a.csv", "51", "a quote is not closed on its line", '"u1,x']


def test_the_first_rejects_are_bounded_in_text_too() -> None:
    first = FirstRejects(most=1000, most_text=25)
    for number in range(5):
        first.append(Reject("a.csv", number, "no good", "x" * 10))
    assert [reject.line_number for reject in first] == [0, 1]


@pytest.mark.parametrize(
    ("limit", "records", "allowed", "without_floor"),
    [
        ("5", 10**6, 5, 5),
        ("0", 100, 0, 0),
        ("1%", 100, 10, 1),
        ("1%", 5000, 50, 50),
        ("0.1%", 10**6, 1000, 1000),
        ("0%", 100, 10, 0),
    ],
)
def test_a_reject_limit_is_a_count_or_a_share_that_never_means_fewer_than_ten_where_each_file_has_rows(
    limit: str, records: int, allowed: int, without_floor: int
) -> None:
    parsed = RejectLimit.parse(limit)
    assert parsed.allowed(records, each_file_has_rows=True) == allowed
    assert parsed.allowed(records, each_file_has_rows=False) == without_floor


@pytest.mark.parametrize("text", ["", "x", "1.5", "-1", "101%", "1 %x", "%"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid limit"):
        RejectLimit.parse(text)


letters = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))
dirt = st.sampled_from([b'"', b",", b"\0", b"\xff", b"\n", b"\n\\.\n", b"x", b"\r", b'"x"'])
sales = st.tuples(
    st.text(letters, min_size=1, max_size=12).map(lambda text: text.strip(" '\u00a0\ufeff")).filter(bool),
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
    records: list[tuple[str, ...]], dialect: dict[str, Any], damage: list[tuple[float, bytes]], chunk: int
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
    set_aside = [line for reject in check.hour_rejects.first for line in reject.raw.split("\n")]
    assert check.rows + sum(bool(line.strip()) for line in set_aside) == len(lines)
    given_lines = given_on.split(b"\n")[:-1]
    assert len(given_lines) == check.rows
    for line in {line.removesuffix(b"\r") for line in whole.split(b"\n") if line.strip()} & set(lines):
        assert given_lines.count(line) == lines.count(line)
    if not damage:
        assert given_lines == lines


def read_in_pieces(content: bytes, size: int, seen: list[int]) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        seen.append(len(content[start : start + size]))
        yield content[start : start + size]


def stopped(content: bytes, limit: str, **sizes: int) -> tuple[TooManyRejects, int]:
    """Return how the check of a file ended early, and how many bytes of it had been read."""
    columns = Columns()
    reading = columns.read(HEADER)
    rejects = HourRejects(RejectLimit.parse(limit), sizes)
    rejects.expect("a.csv", len(content), reading.shortest_row)
    check = RecordCheck("a.csv", reading, columns, header_lines=1, server_version=180000, hour_rejects=rejects)
    seen: list[int] = []
    with check.rejects, pytest.raises(TooManyRejects) as caught:
        list(check.good_rows(read_in_pieces(content, 1 << 14, seen)))
    return caught.value, sum(seen)


def test_reading_stops_once_the_limit_is_passed_even_if_the_rest_is_good() -> None:
    content = b"u1,0306406152,n/a,9.99\n" * 100_000
    error, read = stopped(content, "1%")
    assert read < len(content) / 20
    # 2,300,000 bytes could be 328,571 rows like `u,1,,1`; one in a hundred of them and of the rejects may be bad.
    assert error.message == (
        "reading stopped at line 3,320 of a.csv: 3,319 records are bad, more than the limit of 1% even if the rest is good:"
        " 3,319 like a.csv line 2: quantity 'n/a' is not a whole number"
    )
    assert error.hint is not None
    assert error.hint.endswith(" --reject-limit 100%")
    assert len(error.rejects) == 1000


def test_with_a_count_for_limit_reading_stops_as_soon_as_the_ledger_has_its_rejects() -> None:
    content = GOOD * 1000 + b"u1,0306406152,n/a,9.99\n" * 100_000
    error, read = stopped(content, "5")
    assert error.message.startswith("reading stopped at line 2,001 of a.csv: 1,000 records are bad, more than the limit of 5")
    assert len(error.rejects) == 1000
    assert read < 100_000


def test_rejects_over_the_limit_are_told_by_kind_with_the_commonest_example_and_who_mends_what() -> None:
    rejects = HourRejects(RejectLimit(count=1), {}, hour="2024-05-01T13", folder="s3://shop/hour=13/", are_kept=True)
    for line, price in enumerate(["0,5", "n/a", "it's", 'say "n/a"', "n/a"], 2):
        rejects.append(Reject("a.csv", line, f"unit_price {price!r} is not a number", f"ana,0306406152,1,{price}"))
    rejects.append(Reject("b.csv", 1_000, "3 fields, but the header has 4", "ana," + "x" * 300))
    rejects.append(Reject("b.csv", 1_001, "5 fields, but the header has 4", "ana,,,,"))
    rejects.append(Reject("c.csv", 9, "user_id is empty", ",0306406152,1,1"))
    with pytest.raises(TooManyRejects) as caught:
        rejects.require_within_limit()
    error = caught.value
    kinds = [
        "5 like a.csv line 3: unit_price 'n/a' is not a number",
        "2 like b.csv line 1,000: 3 fields, but the header has 4",
        "c.csv line 9: user_id is empty",
    ]
    assert error.headline == "8 of 8 records are bad, more than the limit of 1"
    assert error.message == f"{error.headline}: {'; '.join(kinds)}"
    raws = ["ana,0306406152,1,n/a", "ana," + "x" * 196, ",0306406152,1,1"]
    assert error.details == [f"{kind}: {raw}" for kind, raw in zip(kinds, raws, strict=True)]
    assert error.hint == (
        "have the producer mend s3://shop/hour=13/a.csv, s3://shop/hour=13/b.csv, s3://shop/hour=13/c.csv; to see the records:"
        " bookreport rejects --hour 2024-05-01T13; only if that can't be, load the hour without these records:"
        " bookreport run-hour --hour 2024-05-01T13 --reject-limit 8"
    )


def test_of_many_kinds_and_files_of_rejects_the_commonest_are_named_and_the_others_counted() -> None:
    rejects = HourRejects(RejectLimit(count=35), {})
    rejects.first = FirstRejects(most=3)
    *others, last = [
        Reject(f"{number}.csv", 2, f"of kind {'abcdefgh'[number]}", "raw") for number in range(8) for _ in range(8 - number)
    ]
    for reject in others:
        rejects.append(reject)
    with pytest.raises(TooManyRejects) as caught:
        rejects.append(last)
    kinds = caught.value.details
    assert kinds == [
        "8 like 0.csv line 2: of kind a: raw",
        *(f"{8 - n}: of kind {'abcde'[n]}" for n in range(1, 5)),
        "and 3 more kinds",
    ]
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("have the producer mend 0.csv, 1.csv, 2.csv and 5 more files; only if")


@pytest.mark.parametrize(("other", "stops"), [(4 * 10**6, False), (4 * 10**4, True)])
def test_reading_goes_on_while_the_other_files_of_the_hour_could_hold_enough_good_records(other: int, stops: bool) -> None:
    rejects = HourRejects(RejectLimit.parse("1%"), {"b.csv": other})
    rejects.expect("a.csv", 100_000, 7)
    with pytest.raises(TooManyRejects) if stops else nullcontext():
        for number in range(5000):
            rejects.append(Reject("a.csv", number, "no good", ""))


@given(
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 120)), min_size=1, max_size=3),
    st.integers(0, 100),
    st.integers(0, 40),
)
def test_no_hour_is_ended_early_that_would_have_been_let_through(
    files: list[tuple[int, int]], percent: int, count: int
) -> None:
    for limit in (RejectLimit(percent=Decimal(percent)), RejectLimit(count=count)):
        sizes = {str(number): len(b"x\n") * bad + len(b"u,i,,1\n") * good for number, (bad, good) in enumerate(files)}
        rejects = HourRejects(limit, sizes)
        rejects.first = FirstRejects(most=1)
        bad_records, good_records = (sum(each) for each in zip(*files, strict=True))
        through = bad_records <= limit.allowed(
            bad_records + good_records, each_file_has_rows=all(good for bad, good in files if bad)
        )
        try:
            for number, (bad, good) in enumerate(files):
                rejects.expect(str(number), sizes[str(number)], len(b"u,i,,1\n"))
                for line in range(bad):
                    rejects.append(Reject(str(number), line, "no good", "x"))
                rejects.count_file(str(number), good, bad)
            rejects.require_within_limit()
        except TooManyRejects:
            assert not through
        else:
            assert through


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b" \t\n", b"\xef\xbb\xbf\n"])
def test_blank_lines_take_no_work_for_each(blank: bytes) -> None:
    content = GOOD + blank * 20_000 + b"u1,0306406152,n/a,1\n"
    _, check = checked(content)
    assert (check.rows, check.blank_lines, reasons(check)) == (1, 20_000, [(20_003, "quantity 'n/a' is not a whole number")])
    assert work_of(lambda: checked(content)) < 3000


@pytest.mark.parametrize(
    "unit", [b'" ,,\n', b'u1,1,1,"\n' + b"x\n" * 99, b'"\n""\n', b"u1,1,1,'1'\n", b'"x\n' + b'"a","b"\n' * 40]
)
def test_a_line_takes_so_much_work_whatever_is_wrong_with_it(unit: bytes) -> None:
    content = unit * (2000 // unit.count(b"\n"))
    assert work_of(lambda: checked(content)) < 250 * content.count(b"\n")


@pytest.mark.parametrize(
    "line",
    [
        b"," * 3000,
        b"user_id," * 3000,
        b"user," + b"x," * 3000,
        b"x;" * 3000 + b"user_id,isbn10",
        b'""," "' + b',"a"' * 3000,
        b'u1,1,1,"' + b",0306406152" * 3000,
    ],
)
def test_a_record_of_many_fields_takes_so_much_work_for_each(line: bytes) -> None:
    def check() -> None:
        with suppress(BadData):
            checked(line + b"\n")

    assert work_of(check) < 60 * 3000


@pytest.mark.parametrize(
    "value",
    [
        b"1" * 900_000 + b"x",
        b"." + b"1" * 900_000 + b"x",
        b"1_" * 400_000,
        b"0x" + b"f" * 900_000 + b"x",
        b"0b" + b"1_1" * 300_000,
        b"0x" + b"f" * 900_000,
        b" " * 900_000 + b"x",
        b"1e" + b"1" * 900_000 + b"x",
    ],
)
def test_a_number_of_a_million_digits_is_looked_at_once(value: bytes) -> None:
    """Looked at again for each of its digits, it would take hours."""
    for version in (150000, 180000):
        given_on, check = checked(b"u1,1," + value + b",1\nu1,1,1," + value + b"\n", server_version=version)
        assert (given_on, check.rejected) == (b"", 2)


def test_good_records_are_given_on_together() -> None:
    columns = Columns()
    rejects = HourRejects(UNLIMITED, {})
    check = RecordCheck("a.csv", columns.read(HEADER), columns, header_lines=1, server_version=180000, hour_rejects=rejects)
    with check.rejects:
        given_on = list(check.good_rows([b" u1,1,1,1\nu2,1,n/a,1\n" * 10_000]))
    assert b"".join(given_on) == b"u1,1,1,1\n" * 10_000
    assert len(given_on) <= 3
