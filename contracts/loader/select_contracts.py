"""Which contracts are meant by a few words: names, targets, patterns of them, tags, sources.

Every command and flow that takes several contracts selects them here, in the same words:
`customers`, `crm.customers`, `crm_*`, `tag:hourly`, `source:crm-db`. What any word selects is
selected, each contract once, in the order of the words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from contracts.errors import ContractError
from contracts.loader.contract_files import contract_files, find_contract, load_contracts
from contracts.model import Contract
from contracts.yaml_reading.problem_report import did_you_mean

__all__ = ["is_pattern", "select_contracts"]

_GLOB = frozenset("*?[")
_OF_CONTRACT: Mapping[str, Callable[[Contract], Sequence[str]]] = MappingProxyType(
    {
        "tag": lambda contract: contract.tags,
        # A connection is named by its block, or as contracts have it.
        "source": lambda contract: (
            contract.source.connection,
            contract.source.connection.replace("_", "-"),
        ),
    }
)
"""What a word with a prefix is compared with."""


def is_pattern(word: str) -> bool:
    """Whether the word may select several contracts, and is no name of one."""
    return word.partition(":")[0] in _OF_CONTRACT or bool(_GLOB & {*word})


def select_contracts(words: Iterable[str], folder: Path) -> tuple[str, ...]:
    """The names of the contracts that the words select, each once.

    Args:
        words: Names, targets, patterns (`*`, `?`, `[...]`), `tag:` and `source:` with a pattern.
        folder: The contracts.

    Raises:
        ContractError: A word selects nothing, or a file that has to be read for it has problems.
    """
    chosen: dict[str, None] = {}
    for word in words:
        found = _matching(word, folder) if is_pattern(word) else (find_contract(word, folder).name,)
        chosen.update(dict.fromkeys(found))
    return tuple(chosen)


def _matching(word: str, folder: Path) -> Sequence[str]:
    prefix, _, pattern = word.partition(":")
    if prefix in _OF_CONTRACT:
        values_of = _OF_CONTRACT[prefix]
        contracts = load_contracts(folder)
        found = [
            name
            for name, contract in contracts.items()
            if any(fnmatchcase(value, pattern) for value in values_of(contract))
        ]
        known = {value for each in contracts.values() for value in values_of(each)}
        return found or _refuse(word, folder, pattern, known)
    # By its file's name a contract is selected without reading it: a broken one is told by itself.
    names = [path.stem for path in contract_files(folder)]
    found = [name for name in names if fnmatchcase(name, word)]
    if found:
        return found
    targets = {name: each.target for name, each in load_contracts(folder).items()}
    found = [name for name, target in targets.items() if fnmatchcase(target, word)]
    return found or _refuse(word, folder, word, {*names, *targets.values()})


def _refuse(word: str, folder: Path, typed: str, known: set[str]) -> Sequence[str]:
    there = ", ".join(sorted(known)) or "(there are none)"
    raise ContractError(
        where=str(folder),
        expected=f"a contract that {word} selects",
        found=f"none among {there}; {did_you_mean(typed, known)}" if known else f"none: {there}",
        next_step="Correct it; strandline contracts list shows names, targets, tags and sources.",
    )
