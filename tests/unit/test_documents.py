import json
from typing import Any

import click
import jsonschema
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import documents as held
from bookreport import documents
from bookreport.cli import commands
from bookreport.errors import NotReady
from bookreport.present import words
from bookreport.present.run import error_json, run_json
from readme import EVERY_COMMAND

ERROR = error_json(NotReady("no marker"))


def printed(*arguments: str) -> str:
    """Return what `bookreport schema` prints, without any settings."""
    ended = CliRunner(env={}).invoke(commands, ["schema", *arguments], standalone_mode=False)
    assert ended.exception is None
    return ended.stdout


def parts(schema: Any) -> list[dict[str, Any]]:
    """Return each part of a schema that describes an object's fields."""
    if isinstance(schema, list):
        return [part for each in schema for part in parts(each)]
    if not isinstance(schema, dict):
        return []
    own = [schema] if isinstance(schema.get("properties"), dict) else []
    return own + [part for each in schema.values() for part in parts(each)]


def test_without_a_name_the_names_are_listed() -> None:
    assert printed().split() == list(documents.NAMES)


@pytest.mark.parametrize("name", documents.NAMES)
def test_a_schema_is_printed_whole_and_is_one_of_draft_2020_12(name: str) -> None:
    schema = documents.schema(name)
    Draft202012Validator.check_schema(schema)
    assert json.loads(printed(name)) == schema
    assert (schema["$id"], schema["title"]) == (f"urn:bookreport:{name}:1", f"bookreport.{name}/1")
    assert schema["properties"]["schema"] == {"const": f"bookreport.{name}/1"}


@pytest.mark.parametrize("name", documents.NAMES)
def test_a_published_schema_lets_fields_be_added_and_requires_only_fields_that_it_has(name: str) -> None:
    for part in parts(documents.schema(name)):
        assert "additionalProperties" not in part
        assert set(part["required"]) <= set(part["properties"])


def test_every_command_that_prints_json_has_a_schema() -> None:
    printing = {
        name
        for name, command in EVERY_COMMAND.items()
        if any(isinstance(option, click.Option) and "--json" in option.opts for option in command.params)
    }
    runs = {"ingest", "run-hour"}
    assert set(documents.NAMES) == printing - runs | {"run", "error"}


def test_a_field_that_the_schema_does_not_know_is_seen_by_the_tests_and_taken_by_others() -> None:
    held.read(ERROR)
    longer = ERROR.replace("{", '{"further": 1, ', 1)
    Draft202012Validator(documents.schema("error")).validate(json.loads(longer))
    with pytest.raises(jsonschema.ValidationError, match="'further' was unexpected"):
        held.read(longer)


@pytest.mark.parametrize(("right", "wrong"), [('"code": 3', '"code": 9'), ('"not-ready"', '"late"'), (', "hint": null', "")])
def test_a_document_that_does_not_fit_is_refused(right: str, wrong: str) -> None:
    assert right in ERROR
    with pytest.raises(jsonschema.ValidationError):
        held.read(ERROR.replace(right, wrong))


def test_a_report_within_a_run_is_held_to_the_schema_of_reports() -> None:
    run = run_json([], []) | {"reports": [{"schema": "bookreport.report/1"}]}
    with pytest.raises(jsonschema.ValidationError, match="'generated_at' is a required property"):
        held.read(words.as_json(run))
