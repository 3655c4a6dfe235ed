"""Scripts that let a shell complete commands, options and choices; made from the options."""

from __future__ import annotations

import argparse
from shlex import quote
from typing import Literal

Shell = Literal["bash", "zsh", "fish"]
BASH = """_pilot_eval() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} words=
  case ${{COMP_WORDS[1]}}:${{COMP_WORDS[COMP_CWORD-1]}} in
{cases}
  esac
  [ "$COMP_CWORD" = 1 ] && words={commands}
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _pilot_eval pilot-eval"""


def write_completion(parser: argparse.ArgumentParser, shell: Shell) -> str:
    """Write the script that a shell reads to complete `pilot-eval`.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        From `build_parser`.
    shell : {"bash", "zsh", "fish"}

    Returns
    -------
    str
        Options are offered after a dash, choices after their option; elsewhere files.
    """
    [commands] = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    if shell == "fish":
        return "\n".join(_fish_lines(commands))
    cases = [
        f"    {name}:{option}) words={quote(' '.join(map(str, action.choices)))} ;;"
        for name, command in commands.items()
        for action in _shown(command)
        if action.choices
        for option in action.option_strings or [name]
    ]
    cases += [
        f"    {name}:*) case $word in -*) words={quote(' '.join(_options(command)))} ;; esac ;;"
        for name, command in commands.items()
    ]
    first = quote(" ".join([*commands, *_options(parser)]))
    script = BASH.format(cases="\n".join(cases), commands=first)
    return f"autoload -U +X bashcompinit && bashcompinit\n{script}" if shell == "zsh" else script


def _shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.help != argparse.SUPPRESS]


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [option for action in _shown(parser) for option in action.option_strings]


def _fish_lines(commands: dict[str, argparse.ArgumentParser]) -> list[str]:
    lines = []
    for name, command in commands.items():
        about = quote(str(command.description))
        lines.append(f"complete -c pilot-eval -n __fish_use_subcommand -a {name} -d {about}")
        seen = f"-n '__fish_seen_subcommand_from {name}'"
        for action in _shown(command):
            names = [
                f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
                for option in action.option_strings
            ]
            takes = " -r" if names and action.nargs != 0 else ""
            choices = f" -a {quote(' '.join(map(str, action.choices)))}" if action.choices else ""
            if names or choices:
                text = quote(str(action.help))
                line = f"complete -c pilot-eval {seen} {' '.join(names)}{takes}{choices}"
                lines.append(f"{line} -d {text}")
    return lines
