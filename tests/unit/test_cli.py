import pytest

from bookreport.cli import _wants_json


@pytest.mark.parametrize(
    ("arguments", "is_json"),
    [
        ("report", False),
        ("report --json", True),
        ("report --format json", True),
        ("report --format=json -q", True),
        ("report --format csv", False),
        ("report --json -o -", True),
        ("report --json --output=/dev/stdout", True),
        ("report --json -o report.json", False),
        ("run-hour -o reports/{hour}.json --format json", False),
        ("report --json --output report.json", False),
        ("report --json --output=report.json", False),
        ("report --json -oreport.json", False),
        ("report -qoreport.json --json", False),
        ("report -qo report.json --json", False),
        ("--log-format json report -o report.json", True),
        ("--log-format=json report", True),
        ("-q report --no-such-option", False),
    ],
)
def test_errors_are_for_a_program_where_the_log_is_or_where_it_reads_the_result(arguments: str, is_json: bool) -> None:
    assert _wants_json(arguments.split()) is is_json
