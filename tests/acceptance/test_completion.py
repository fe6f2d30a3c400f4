"""Completion in the shell: bash itself, and what click answers to each of the three shells."""

import os
import subprocess

import pytest

from bookreport.cli import COMMANDS


def complete(command: str, **settings: str) -> str:
    environment = {"PATH": os.environ["PATH"], **settings}
    ended = subprocess.run([command], env=environment, capture_output=True, text=True, check=True)
    assert not ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("bookreport re", ["refresh", "rejects", "report"]),
        ("bookreport ", list(COMMANDS)),
        ("bookreport report --form", ["--format"]),
        ("bookreport report --format m", ["markdown"]),
        ("bookreport schema rep", ["report"]),
        ("bookreport nonsense", []),
    ],
)
def test_bash_completes_commands_options_and_choices(command: str, typed: str, completed: list[str]) -> None:
    words = typed.split(" ")
    script = """
        eval "$(_BOOKREPORT_COMPLETE=bash_source "$0")"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _bookreport_completion "$0"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    ended = subprocess.run(["bash", "-euc", script, command, *words], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == completed
    assert not ended.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_asks_the_command(command: str, shell: str) -> None:
    script = complete(command, _BOOKREPORT_COMPLETE=f"{shell}_source")
    assert f"_BOOKREPORT_COMPLETE={shell}_complete" in script


@pytest.mark.parametrize(
    ("shell", "position", "item"),
    [("zsh", "1", "plain\n{name}\n{told}"), ("fish", "re", "plain,{name}\t{told}")],
    ids=["zsh", "fish"],
)
def test_zsh_and_fish_complete_commands_and_say_what_they_do(command: str, shell: str, position: str, item: str) -> None:
    answer = complete(command, COMP_WORDS="bookreport re", COMP_CWORD=position, _BOOKREPORT_COMPLETE=f"{shell}_complete")
    offered = [name for name, (_, told) in COMMANDS.items() if item.format(name=name, told=told[:25]) in answer]
    assert offered == ["refresh", "rejects", "report"]
