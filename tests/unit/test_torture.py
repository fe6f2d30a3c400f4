"""The judge of the damaged files must itself notice what is lost, doubled, changed or set aside."""

import random
from collections import Counter

import pytest

from sheet import Case, Row, Sheet, clean, judge, read_strictly
from torture import DAMAGES, cases


@pytest.fixture
def sheet() -> Sheet:
    return clean(random.Random(1), records=5, notes=False)


@pytest.fixture
def case(sheet: Sheet) -> Case:
    return sheet.case("clean")


@pytest.fixture
def rows(sheet: Sheet) -> Counter[Row]:
    return Counter(stretch.row for stretch in sheet.stretches if stretch.row is not None)


def test_a_whole_load_is_without_fault(case: Case, rows: Counter[Row]) -> None:
    finding = judge(case, rows, [])
    assert (finding.loaded, finding.intact_set_aside, finding.lost, +rows) == (5, 0, [], Counter())


def test_a_record_that_is_missing_is_lost_unless_it_was_set_aside(sheet: Sheet, case: Case, rows: Counter[Row]) -> None:
    missing = sheet.stretches[2]
    text = missing.raw.decode().rstrip()
    del rows[missing.row]
    assert judge(case, rows.copy(), []).lost == [text]
    assert judge(case, rows.copy(), [text]).intact_set_aside == 1
    assert judge(case, rows.copy(), [text.replace("user", "loser")]).lost == [text]


def test_a_row_that_is_doubled_or_changed_is_left_over(case: Case, rows: Counter[Row]) -> None:
    first = next(iter(rows))
    doubled = rows + Counter([first])
    judge(case, doubled, [])
    assert +doubled == Counter([first])
    changed = Row(f"{first.user_id} ", first.isbn10, first.quantity, first.unit_price, first.sale_value)
    assert judge(case, rows - Counter([first]) + Counter([changed]), []).lost


def test_a_damaged_record_may_be_loaded_as_it_reads_now_and_no_other_way() -> None:
    columns = ("user_id", "isbn10", "unit_price")
    assert {str(row.unit_price) for row in read_strictly("u1,1,12.5", columns)} == {"12.5"}
    for text in ('u"1",1,2', 'u1,1,"2', "u1,1", "u1,1,2,", "u1,1,n/a", ",1,2", "u1\r,1,2", "u1,1,1e999999"):
        assert read_strictly(text, columns) == ()


@pytest.mark.parametrize("seed", range(50))
def test_a_clean_file_reads_strictly_as_what_it_was_made_of(seed: int) -> None:
    sheet = clean(random.Random(seed))
    for stretch in sheet.stretches[1:]:
        assert stretch.row in read_strictly(stretch.raw.decode().rstrip("\r\n"), sheet.columns)


def test_the_same_seed_makes_the_same_files_and_each_class_damages_some() -> None:
    number = 2 * len(DAMAGES)
    made = list(cases("seed", number))
    assert made == list(cases("seed", number))
    assert {case.name for case in made} == set(DAMAGES)
