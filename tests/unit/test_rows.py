import csv
import io
import random
import re
from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookreport.columns import NAMES, Columns, fold
from bookreport.errors import BadData, Configuration, CopyRefused
from bookreport.rows import LONGEST_LINE, NotCsv, RowStream, only_plain, read_header, split_record
from work import work_of

UNDERSTOOD: list[tuple[str, str, list[str], list[str]]] = [
    # The header, how each column is read, what is kept in extra, what is dropped.
    (
        "user_id,isbn10,quantity,unit_price,sale_value,purchased_at",
        "user_id isbn10 quantity unit_price sale_value purchased_at",
        [],
        [],
    ),
    # A price; a quantity and a price; a total; both.
    ("user_id,isbn10,price", "user_id isbn10 unit_price", [], []),
    ("user_id,isbn10,quantity,price", "user_id isbn10 quantity unit_price", [], []),
    ("user_id,isbn10,total", "user_id isbn10 sale_value", [], []),
    ("user_id,isbn10,quantity,total", "user_id isbn10 quantity sale_value", [], []),
    ("user_id,isbn10,qty,price,total", "user_id isbn10 quantity unit_price sale_value", [], []),
    ("user_id,isbn10,amount", "user_id isbn10 sale_value", [], []),
    ("user_id,isbn10,quantity,value", "user_id isbn10 quantity sale_value", [], []),
    # In another order.
    ("price,quantity,isbn,user", "unit_price quantity isbn10 user_id", [], []),
    # As pandas writes it, with its index and without.
    (",user_id,isbn10,quantity,unit_price", "- user_id isbn10 quantity unit_price", [], [""]),
    ("Unnamed: 0,user_id,isbn10,price", "- user_id isbn10 unit_price", [], ["Unnamed: 0"]),
    ("index,user_id,isbn10,price", "- user_id isbn10 unit_price", ["index"], []),
    # As Java, SQL and spreadsheet users spell it.
    ("userId,isbn10,quantity,unitPrice,purchasedAt", "user_id isbn10 quantity unit_price purchased_at", [], []),
    ("customerId,isbn,copies,totalPrice,createdAt", "user_id isbn10 quantity sale_value purchased_at", [], []),
    ("USER_ID,ISBN10,QUANTITY,UNIT_PRICE,CREATED_AT", "user_id isbn10 quantity unit_price purchased_at", [], []),
    ("BUYER_ID,ISBN,UNITS,SALE_VALUE,PURCHASE_TIME", "user_id isbn10 quantity sale_value purchased_at", [], []),
    ("User ID,ISBN-10,Number of Books,Book Price,Purchase Date", "user_id isbn10 quantity unit_price purchased_at", [], []),
    (" Customer , ISBN , Count , Total Value ", "user_id isbn10 quantity sale_value", [], []),
    ('"User ID","ISBN-10","Unit Price"', "user_id isbn10 unit_price", [], []),
    ("user-id,isbn-10,unit-price", "user_id isbn10 unit_price", [], []),
    ("\ufeffuser_id,isbn10,price", "user_id isbn10 unit_price", [], []),
    # The canonical name wins, the others are kept.
    ("user,user_id,isbn,ISBN-10,price", "- user_id - isbn10 unit_price", ["user", "isbn"], []),
    ("user_id,isbn10,quantity,count,price", "user_id isbn10 quantity - unit_price", ["count"], []),
    ("user_id,isbn10,price,unit_price", "user_id isbn10 - unit_price", ["price"], []),
    ("user_id,isbn10,sale value,total", "user_id isbn10 sale_value -", ["total"], []),
    ("user_id,isbn10,time,date,price", "user_id isbn10 - purchased_at unit_price", ["time"], []),
    ("Order Date,ordered_at,user_id,isbn10,price", "- purchased_at user_id isbn10 unit_price", ["Order Date"], []),
    (
        "bought_at,sold_at,created_at,user_id,isbn10,price",
        "- - purchased_at user_id isbn10 unit_price",
        ["bought_at", "sold_at"],
        [],
    ),
    # Columns that nobody knows.
    ("order_id,user_id,isbn10,price,discount code", "- user_id isbn10 unit_price -", ["order_id", "discount code"], []),
    ("user_id,isbn10,isbn13,price", "user_id isbn10 - unit_price", ["isbn13"], []),
    ("user_id,isbn10,price,note,note", "user_id isbn10 unit_price - -", ["note", "note (2)"], []),
    ("user_id,isbn10,price,", "user_id isbn10 unit_price -", ["column 4"], []),
    # No price at all: the catalogue's price is used.
    ("user_id,isbn10", "user_id isbn10", [], []),
    ("user_id,isbn10,quantity,timestamp", "user_id isbn10 quantity purchased_at", [], []),
]

REFUSED = [
    # The header, the error, and the hint.
    ("user_id,isbn10,Price (EUR)", "Price (EUR)", "BOOKREPORT_COLUMNS="),
    ("user_id,isbn10,quantity,revenue", "revenue", "BOOKREPORT_COLUMNS="),
    ("user_id,isbn10,price,amount", "'amount' beside a price may be copies or money", "BOOKREPORT_COLUMNS='quantity=amount'"),
    (
        "user_id,isbn10,unit price,Value",
        "'Value' beside a price may be copies or money",
        "'sale_value=Value'",
    ),
    ("user_id,isbn10,quantity,price,amount", "'amount' beside a price", "BOOKREPORT_COLUMNS="),
    (
        "user_id,isbn10,price,book price",
        "'price' and 'book price' could both be unit_price",
        "BOOKREPORT_COLUMNS='unit_price=price'",
    ),
    ("user_id,isbn10,total,total_price", "'total' and 'total_price' could both be sale_value", "BOOKREPORT_COLUMNS="),
    ("user,customer,isbn10,price", "'user' and 'customer' could both be user_id", "BOOKREPORT_COLUMNS='user_id=user'"),
    ("user_id,isbn10,copies,units,price", "'copies' and 'units' could both be quantity", "BOOKREPORT_COLUMNS="),
    ("user_id,User ID,isbn10,price", "'user_id' and 'User ID' could both be user_id", "BOOKREPORT_COLUMNS="),
    ("isbn10,price", "no column for user_id", "userid, user, customerid"),
    ("user_id,title,price", "no column for isbn10", "isbn10, isbn"),
    ("user_id,isbn13,price", "no column for isbn10", "BOOKREPORT_COLUMNS"),
    ("email,ean,price", "no column for user_id and isbn10", "BOOKREPORT_COLUMNS"),
    ("u1,0306406152,2,9.99", "looks like a sale, not a header", "BOOKREPORT_HEADER"),
    ("user_id;isbn10;price", "has no comma", "separate fields with commas"),
    ("user_id\tisbn10\tprice", "has no comma", "separate fields with commas"),
    ("user_id|isbn10|price", "has no comma", "separate fields with commas"),
]


def read(header: str, columns: Columns | None = None) -> tuple[str, list[str], list[str]]:
    """Return how each column of the header was read (`-`: as none), and the names that are kept and dropped."""
    body = read_header([f"{header}\n".encode()], columns or Columns())
    reading, names = body.reading, split_record(header)
    assert reading is not None
    assert (body.header_lines, body.blank_lines, b"".join(body.chunks)) == (1, 0, b"")
    taken = {position: column for column, position in reading.columns.items()}
    return " ".join(taken.get(position, "-") for position in range(len(names))), list(reading.extra), reading.ignored


@pytest.mark.parametrize(("header", "taken", "extra", "ignored"), UNDERSTOOD)
def test_a_plausible_header_is_read_right(header: str, taken: str, extra: list[str], ignored: list[str]) -> None:
    assert read(header) == (taken, extra, ignored)


@pytest.mark.parametrize(("header", "message", "hint"), REFUSED)
def test_a_header_that_may_be_read_wrong_is_refused_with_a_hint(header: str, message: str, hint: str) -> None:
    with pytest.raises(BadData) as caught:
        read(header)
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


def test_a_refusal_shows_the_header_that_was_found() -> None:
    with pytest.raises(BadData, match=re.escape("['e-mail', 'ean', 'price']")):
        read("e-mail,ean,price")


def test_the_names_understood_are_those_of_the_design() -> None:
    assert {column: " ".join(names) for column, names in NAMES.items()} == {
        "user_id": "userid user customerid customer buyerid buyer",
        "isbn10": "isbn10 isbn",
        "quantity": "quantity qty copies units count numberofbooks",
        "unit_price": "unitprice price bookprice",
        "sale_value": "salevalue total totalprice totalvalue value amount",
        "purchased_at": "purchasedat timestamp purchasetime purchasedate datetime createdat date time"
        " orderedat orderdate soldat boughtat",
    }


@pytest.mark.parametrize(("column", "name"), [(column, name) for column, names in NAMES.items() for name in names])
def test_each_name_is_understood_alone(column: str, name: str) -> None:
    others = [other for other in ("user_id", "isbn10", "unit_price") if other != column]
    if name in ("value", "amount"):
        others.remove("unit_price")
    assert read(",".join([name, *others]))[0] == " ".join([column, *others])


@given(st.permutations(sorted(NAMES)), st.randoms(use_true_random=False))
def test_case_blanks_and_joiners_never_matter(order: list[str], chance: random.Random) -> None:
    def respelled(name: str) -> str:
        letters = (chance.choice((letter.upper(), letter)) for letter in name)
        return "".join(chance.choice((" ", "-", "_", "", "__")) if letter == "_" else letter for letter in letters)

    assert read(",".join(map(respelled, order)))[0] == " ".join(order)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12), max_size=6))
def test_no_two_columns_of_a_header_are_ever_taken_for_one(names: list[str]) -> None:
    try:
        reading = Columns().read(["user_id", "isbn10", *names])
    except BadData:
        return
    taken = [*reading.columns.values(), *reading.extra.values(), *reading.dropped]
    assert sorted(taken) == list(range(len(names) + 2))


def test_folding_leaves_case_blanks_and_joiners_out() -> None:
    assert {fold(name) for name in ("ISBN-10", "isbn_10", " Isbn 10 ", "\ufeffisbn10", "ISBN\u201010", "isbn\u00a010")} == {
        "isbn10"
    }


def test_a_column_that_is_declared_is_what_it_is_declared_to_be() -> None:
    columns = Columns("user_id=client no,isbn10=code")
    assert read("Client-No,CODE,price", columns)[0] == "user_id isbn10 unit_price"


@pytest.mark.parametrize(
    ("declared", "taken"),
    [("quantity=amount", "quantity"), ("sale_value=amount", "sale_value"), ("sale_value=Amount", "sale_value")],
)
def test_a_declaration_decides_between_copies_and_money(declared: str, taken: str) -> None:
    assert read("user_id,isbn10,price,amount", Columns(declared))[0] == f"user_id isbn10 unit_price {taken}"


def test_a_declaration_decides_between_two_that_claim_the_same() -> None:
    assert read("user_id,isbn10,price,book price", Columns("unit_price=book price")) == (
        "user_id isbn10 - unit_price",
        ["price"],
        [],
    )


def test_a_declaration_wins_over_the_canonical_name() -> None:
    assert read("user_id,client,isbn10,price", Columns("user_id=client"))[0] == "- user_id isbn10 unit_price"


def test_a_declared_name_may_hold_a_comma() -> None:
    assert read('"last, first",isbn10,price', Columns('"user_id=last, first"'))[0] == "user_id isbn10 unit_price"


def test_a_file_without_the_declared_name_is_read_by_the_usual_ones() -> None:
    assert read("user_id,isbn10,price", Columns("user_id=client no"))[0] == "user_id isbn10 unit_price"


@pytest.mark.parametrize("declared", ["client no", "customer=client no", "user_id=", "=client no", "user_id=a,,isbn10=b"])
def test_a_declaration_that_makes_no_sense_is_told_by_name(declared: str) -> None:
    with pytest.raises(Configuration, match="BOOKREPORT_COLUMNS"):
        Columns(declared)


def test_a_header_may_be_given_for_files_without_one() -> None:
    given_ = Columns(header="user_id,isbn10,Unit Price").given
    assert given_ is not None
    assert dict(given_.columns) == {"user_id": 0, "isbn10": 1, "unit_price": 2}


def test_a_given_header_that_makes_no_sense_is_told_by_name() -> None:
    with pytest.raises(Configuration, match=r"BOOKREPORT_HEADER: no column for isbn10"):
        Columns(header="user_id,price")


@pytest.mark.parametrize(
    ("content", "names", "lines", "blank", "rest"),
    [
        (b"user_id,isbn10\nu1,1\n", ["user_id", "isbn10"], 1, 0, b"u1,1\n"),
        (b"user_id,isbn10\r\nu1,1\r\n", ["user_id", "isbn10"], 1, 0, b"u1,1\r\n"),
        (b"\xef\xbb\xbfuser_id,isbn10\nu1,1\n", ["user_id", "isbn10"], 1, 0, b"u1,1\n"),
        (b"\xef\xbb\xbf\xef\xbb\xbfuser_id,isbn10\nu1,1\n", ["user_id", "isbn10"], 1, 0, b"u1,1\n"),
        (b'\xef\xbb\xbf"user_id","isbn10"\nu1,1\n', ["user_id", "isbn10"], 1, 0, b"u1,1\n"),
        (b'user_id,isbn10,"a ""b"", c"\nu1,1\n', ["user_id", "isbn10", 'a "b", c'], 1, 0, b"u1,1\n"),
        (b"user_id,isbn10", ["user_id", "isbn10"], 1, 0, b""),
        (b"user_id,isbn10\n", ["user_id", "isbn10"], 1, 0, b""),
        ("user,título,isbn\nu1,ñ\n".encode(), ["user", "título", "isbn"], 1, 0, "u1,ñ\n".encode()),
        (b"\nuser_id,isbn10\nu1,1\n", ["user_id", "isbn10"], 2, 1, b"u1,1\n"),
        (b"\r\n \t\r\nuser_id,isbn10\r\nu1,1\r\n", ["user_id", "isbn10"], 3, 2, b"u1,1\r\n"),
        (b"\xef\xbb\xbf\nuser_id,isbn10\nu1,1\n", ["user_id", "isbn10"], 2, 1, b"u1,1\n"),
        (b"\n\xef\xbb\xbfuser_id,isbn10\nu1,1\n", ["user_id", "isbn10"], 2, 1, b"u1,1\n"),
        (b"\n" * 100_000 + b"user_id,isbn10\nu1,1\n", ["user_id", "isbn10"], 100_001, 100_000, b"u1,1\n"),
        (b" " * 200_000 + b"\nuser_id,isbn10\nu1,1\n", ["user_id", "isbn10"], 2, 1, b"u1,1\n"),
        (b"\t" * 200_000, None, 1, 1, b""),
        (b"", None, 0, 0, b""),
        (b"\xef\xbb\xbf", None, 0, 0, b""),
        (b" \r\n\n ", None, 3, 3, b""),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_the_header_is_taken_off_and_nothing_else(
    content: bytes, names: list[str] | None, lines: int, blank: int, rest: bytes, size: int
) -> None:
    body = read_header((content[start : start + size] for start in range(0, len(content), size)), Columns())
    assert (body.reading and list(body.reading.header)) == names
    assert (body.header_lines, body.blank_lines, b"".join(body.chunks)) == (lines, blank, rest)


GOOD = b"user_id,isbn10,price\nu1,0306406152,9.99\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("user_id,isbn10\n".encode("utf-16"), "line 1: the file looks like UTF-16"),
        ("user_id,isbn10\n".encode("utf-16-le"), "line 1: the file looks like UTF-16"),
        ("\nuser_id,isbn10\n".encode("utf-16"), "looks like UTF-16"),
        ("\nuser_id,isbn10\n".encode("utf-16-le"), "looks like UTF-16"),
        ("\nuser_id,isbn10\n".encode("utf-16-be"), "looks like UTF-16"),
        ("user_id,isbn10\n".encode("utf-32"), "looks like UTF-32"),
        (b"\n\x7fELF\x02\x01\0\0\n", "line 2: the file looks like"),
        ("usuario,título\n".encode("latin-1"), "not UTF-8"),
        (b"user_id,isbn10\ru1,1\r", "CR only"),
        (b"user_id,isbn10\ru1,1\r\n", "CR only"),
        (b'"user_id,isbn10\nu1,1\n', "line 1: the quote in 'user_id,isbn10', field 1 of the header, is not closed"),
        (b'user_id,isbn10,price,"note\nu1,1,2.00,x"\n', "line 1: the quote in 'note', field 4 of the header, is not closed"),
        (b'user_id,isbn10,pri"ce\r\nu1,1,2.00\r\n', "field 3 contains a quote but is not quoted"),
        (b'user_id, "isbn10",price\nu1,1,2.00\n', "field 2 has a space before its opening quote"),
        (b'"user_id";"isbn10";"price"\n', "has no comma"),
        (b'"user_id"\t"isbn10"\t"price"\n', "has no comma"),
        (b'"user_id"|"isbn10"|"price"\n', "has no comma"),
        (b"'user_id','isbn10','price'\n'u1','0306406152','9.99'\n", "is quoted with apostrophes"),
        (b"user_id,isbn10,price,noteu1,0306406152,9.99,x\nu2,0306406152,9.99,\n", "'0306406152' looks like a value"),
        (b"user_id,isbn10,price|u1,0306406152,9.99\n", "'0306406152' looks like a value"),
        ("user_id,isbn10,price\u2028u1,0306406152,9.99\u2028".encode(), "contains a control character"),
        (b"user_id,isbn10,price\x0bu1,0306406152,9.99\x0b", "contains a control character"),
        (b"sep=,\n" + GOOD, "line 1: 'sep=,' is an instruction to spreadsheets"),
        (b"Sales of May\n\n" + GOOD, r"line 1: \['Sales of May'\] is not a header, but line 3 is"),
        (b"\n# shop 12, exported\n" + GOOD, "line 2: .* is not a header, but line 3 is"),
        (b"u1,0306406152,9.99\nu2,0306406152,9.99\n", "line 1: .* looks like a sale, not a header"),
        (b"\n\nisbn10,price\n", "line 3: no column for user_id"),
        (b"PK\x03\x04rest", "not with gzip"),
        (b"\x28\xb5\x2f\xfdrest", "not with gzip"),
        (b"BZh91AY", "not with gzip"),
        (b"x" * 100_000, "does not end within"),
    ],
)
def test_what_is_no_header_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(BadData, match=message) as caught:
        read_header([content], Columns())
    assert caught.value.hint
    assert "universal" not in caught.value.message


@pytest.mark.parametrize(
    "chunks", [[b"\xef\xbb\xbfu1,1\n"], [b"\xef", b"\xbb", b"\xbfu1", b",1\n"], [b"u1,1\n"], [b"", b"u1,1\n"]]
)
def test_a_file_without_header_loses_its_byte_order_mark_alone(chunks: list[bytes]) -> None:
    body = read_header(chunks, Columns(header="user_id,isbn10"))
    assert (body.header_lines, b"".join(body.chunks)) == (0, b"u1,1\n")


def test_a_column_may_be_named_by_a_number_but_not_by_a_sale() -> None:
    assert list(Columns().read(["user_id", "isbn10", "price", "2024", "0"]).extra) == ["2024", "0"]
    for swallowed in (
        ["noteu1", "140449132", "7"],
        ["note9780306406157", "u1", "0", ""],
        ["note", "u1", "12.50"],
        ["2024-05-01T13:05:00Z"],
    ):
        with pytest.raises(BadData, match="looks like a value"):
            Columns().read(["user_id", "isbn10", "price", *swallowed])
    with pytest.raises(BadData, match="'0-306-40615-2' looks like a value") as caught:
        Columns().read(["user_id", "isbn10", "price", "noteu1", "0-306-40615-2", "2"])
    assert "BOOKREPORT_COLUMNS='extra=0-306-40615-2'" in str(caught.value.hint)


def test_of_two_columns_of_one_name_a_position_tells_which() -> None:
    header = "user_id,isbn10,price,price"
    with pytest.raises(BadData, match="'price' and 'price' could both be") as caught:
        Columns().read(header.split(","))
    assert "BOOKREPORT_COLUMNS='unit_price=#3'" in str(caught.value.hint)
    assert dict(Columns("unit_price=#4").read(header.split(",")).columns) == {"user_id": 0, "isbn10": 1, "unit_price": 3}
    assert dict(Columns("unit_price=#5").read(["user_id", "isbn10", "price"]).columns)["unit_price"] == 2


texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8)


@given(st.lists(texts, min_size=1, max_size=6), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_a_record_is_split_as_it_was_written(fields: list[str], quoting: Literal[0, 1]) -> None:
    output = io.StringIO(newline="")
    csv.writer(output, lineterminator="", quoting=quoting).writerow(fields)
    assert split_record(output.getvalue()) == fields


STRICT = re.compile(r'(?:"(?:[^"]|"")*"|[^",]*)(?:,(?:"(?:[^"]|"")*"|[^",]*))*')


@given(st.text('", ax', min_size=1, max_size=12))
def test_what_rfc_4180_does_not_allow_is_no_record(text: str) -> None:
    if STRICT.fullmatch(text):
        assert len(split_record(text)) == len(next(csv.reader([text]), [""]))
    else:
        with pytest.raises(NotCsv):
            split_record(text)


def plain(content: bytes, size: int, header: tuple[str, ...] = ("user_id", "isbn10", "price", "date")) -> bool:
    reading = Columns().read(header)
    try:
        assert b"".join(only_plain((content[at : at + size] for at in range(0, len(content), size)), reading)) == content
    except CopyRefused:
        return False
    return True


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("content", "is_plain"),
    [
        (b"u1,1,2,2024-05-01 13:00\nu 2,1,2,x y\n", True),
        (b"u1,1,2,x\r\nu2,1,2,\r\n", True),
        ("O'Brien,1,2,mañana".encode(), True),
        (b'u1,1,2,"x"\n', True),
        (b'"u1","1","2","x,y"\r\n"u2","","2",""', True),
        (b'u1,1,2,"x ""y"""\n', False),
        (b'u1,1,2,"x\ny"\n', False),
        (b'u1,1,2,"x\ry"\n', False),
        (b'u1,1,2,x\nu2,1,2,x"', False),
        (b'u1,1,2,x\nu"2",1,2,x', False),
        (b'u1,1,2,"x"y\n', False),
        (b'u1, "1",2,x\n', False),
        (b'u1",1,"2,x\n', False),
        (b'" u1",1,2,x\n', False),
        (b'u1,"1 ",2,x\n', False),
        (b"\"'u1'\",1,2,x\n", False),
        (b" u1,1,2,x\n", False),
        (b"u1,1,2,x\n\tu1,1,2,x\n", False),
        (b"u1 ,1,2,x\n", False),
        (b"u1, 1,2,x\n", False),
        (b"u1,1\t,2,x\n", False),
        (b"u1,1,2,x\n\xef\xbb\xbfu1,1,2,x\n", False),
        ("u1\u00a0,1,2,x\n".encode(), False),
        (b"'u1','1',2,x\n", False),
        (b"u1,'1',2,x\n", False),
        ("\u201cu1\u201d,1,2,x\n".encode(), False),
    ],
)
def test_only_a_file_that_nobody_can_misread_goes_straight_to_copy(content: bytes, is_plain: bool, size: int) -> None:
    assert plain(content, size) == is_plain


@pytest.mark.parametrize("size", [1, 1000])
def test_a_blank_behind_the_last_value_is_seen_at_the_end_of_the_file(size: int) -> None:
    header = ("price", "user_id", "isbn10")
    assert plain(b"1,u1,2\n1,u1,2", size, header)
    assert not plain(b"1,u1,2\n1,u1,2 ", size, header)
    assert not plain(b"1,u1,2 \r\n1,u1,2", size, header)


def test_a_line_longer_than_the_careful_path_takes_does_not_go_straight() -> None:
    assert plain(b"u1,1,2," + b"x" * (LONGEST_LINE - 8) + b"\n", 1 << 18)
    assert not plain(b"u1,1,2," + b"x" * LONGEST_LINE + b"\n", 1 << 18)


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_copy_reads_every_byte_and_counts_every_line(chunks: list[bytes]) -> None:
    stream, content = RowStream(chunks), b"".join(chunks)
    assert b"".join(iter(stream.read, b"")) == content
    assert stream.lines == len(list(io.BytesIO(content)))


def test_an_empty_chunk_in_the_middle_does_not_end_the_copy() -> None:
    stream = RowStream([b"u1,1\n", b"", b"", b"u2,2\n"])
    assert [stream.read(), stream.read(), stream.read()] == [b"u1,1\n", b"u2,2\n", b""]


def test_the_stream_keeps_the_failure_that_copy_would_hide() -> None:
    def broken() -> Iterator[bytes]:
        yield b"u1,1\n"
        raise ConnectionError("the store went away")

    stream = RowStream(broken())
    stream.read()
    with pytest.raises(ConnectionError):
        stream.read()
    assert isinstance(stream.failure, ConnectionError)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("user_id,isbn10,price,quantity sold", "'quantity sold' looks like a number of copies"),
        ("userId,isbn,unitsSold,price", "'unitsSold' looks like a number of copies"),
        ("user_id,isbn10,qty,cost", "'cost' looks like a price"),
        ("user_id,isbn10,qty,Price (EUR)", "'Price (EUR)' looks like a price"),
        ("user_id,isbn10,qty,amount_paid", "'amount_paid' looks like a price"),
    ],
)
def test_a_column_that_looks_like_copies_or_money_is_not_passed_over(header: str, message: str) -> None:
    with pytest.raises(BadData, match=re.escape(message)) as caught:
        Columns().read(header.split(","))
    assert caught.value.hint is not None
    assert "BOOKREPORT_COLUMNS='" in caught.value.hint


def test_a_column_can_be_declared_to_be_neither_copies_nor_money() -> None:
    reading = Columns("extra=shipping cost,extra=price").read(["user_id", "isbn10", "qty", "Shipping Cost", "price"])
    assert dict(reading.extra) == {"Shipping Cost": 3, "price": 4}
    assert not reading.priced


def test_a_word_within_a_word_looks_like_nothing() -> None:
    header = ["user_id", "isbn10", "price", "discount", "payment_method", "prepaid"]
    assert list(Columns().read(header).extra) == ["discount", "payment_method", "prepaid"]


def test_a_header_has_at_most_as_many_columns_as_a_table() -> None:
    names = ["user_id", "isbn10", "price", *["a"] * 1597]
    assert len(Columns().read(names).header) == 1600
    with pytest.raises(BadData, match=r"1,601 columns in the header .*; the limit is 1,600"):
        read_header([",".join([*names, "a"]).encode()], Columns())


def test_many_columns_of_one_name_are_told_apart_without_trying_each_number_for_each() -> None:
    names = ["user_id", "isbn10", "price", "a", "a (2)", *["a"] * 1000]
    reading = Columns().read(names)
    assert list(reading.extra)[:4] == ["a", "a (2)", "a (3)", "a (4)"]
    assert len(reading.extra) == 1002
    assert work_of(lambda: Columns().read(names)) < 100 * len(names)


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("before", [b"\n", b"\r\n", b" \n", BOM + b"\n", BOM, b" "])
def test_whatever_stands_before_the_header_takes_no_work_for_each_line(before: bytes) -> None:
    size = 30_000
    content = before * (4 * size // len(before)) + b"\nuser_id,isbn10,price\nu1,1,1\n"
    chunks = [content[start : start + size] for start in range(0, len(content), size)]
    assert work_of(lambda: read_header(chunks, Columns())) < 1000
    body = read_header(chunks, Columns())
    assert body.reading is not None
    assert b"".join(body.chunks) == b"u1,1,1\n"
    assert body.header_lines == content.count(b"\n") - 1


def test_few_lines_behind_a_line_that_is_no_header_are_looked_at() -> None:
    with pytest.raises(BadData, match="no column for user_id"):
        read_header([b"a,b\n" * 100_000], Columns())

    def refused() -> None:
        with pytest.raises(BadData):
            read_header([b"a,b\n" * 10_000], Columns())

    assert work_of(refused) < 30_000
