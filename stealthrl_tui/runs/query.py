"""The filter language of the list and of `ls --filter`, and the orders a list can have.

    word                     letters of the name in that order, or a part of the name, model, status or training run id
    "two words"              the same, with spaces
    model:qwen status:run    a text holds it (name path model renderer problem) or begins so (status kind); = all of it
    rank:16 step>=100        a number: rank step total progress checkpoints save_every, with : = != > >= < <=
    age<2d eta<3h            a time, in s m h d w
    reward>0.6 "test reward">0.5 optim/lr<=1e-4     the latest value of a metric, by its key or by what it is called
    -word !status:failed     not

All of them must hold. Upper and lower case are the same. A condition still without its value holds nothing back.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from stealthrl_tui.runs.keys import WATCHED, higher_is_better, label
from stealthrl_tui.runs.model import Run, Status
from stealthrl_tui.runs.uri import SCHEME
from stealthrl_tui.text import clean

Predicate = Callable[[Run, float], bool]

_TERM = re.compile(
    r"""
    (?P<not>[-!](?=[^\s]))?
    (?:"(?P<quoted>[^"]*)(?:"|$) | (?P<bare>[^\s"<>=!:]+) | (?P<stray>\S+))
    (?: (?P<op>: | \s*(?:>=|<=|!=|==|=|>|<)\s*) (?:"(?P<quoted_value>[^"]*)(?:"|$) | (?P<value>[^\s"]*)) )?
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)([km%]?)", re.IGNORECASE)
_SPAN = re.compile(r"(\d+\.?\d*|\.\d+) ?(s|sec|m|min|h|d|w)", re.IGNORECASE)
_UNITS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_FACTORS = {"": 1.0, "k": 1e3, "m": 1e6, "%": 0.01}
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
# Shorter words occur in every training run id by chance.
_ID_LETTERS = 6

_TEXTS: Mapping[str, Callable[[Run], str]] = {
    "name": lambda run: run.name,
    "path": lambda run: run.path,
    "status": lambda run: run.status,
    "model": lambda run: run.facts.base_model or "",
    "renderer": lambda run: run.facts.renderer or "",
    "kind": lambda run: run.facts.kind,
    "problem": lambda run: "\n".join(run.problems),
}
# Of a few fixed words, `:` takes the beginning: kind:rl is not stealthrl.
_WORDS = ("status", "kind")
_NUMBERS: Mapping[str, Callable[[Run], float | None]] = {
    "rank": lambda run: run.facts.lora_rank,
    "step": lambda run: run.step,
    "total": lambda run: run.total_steps,
    "progress": lambda run: run.step / run.total_steps if run.step is not None and run.total_steps else None,
    "checkpoints": lambda run: len(run.checkpoints),
    "save_every": lambda run: run.facts.save_every,
}
_SPANS: Mapping[str, Callable[[Run, float], float | None]] = {
    "age": lambda run, now: None if run.updated_at is None else max(0.0, now - run.updated_at),
    "eta": lambda run, _now: run.eta_seconds,
}


@dataclass(frozen=True, slots=True)
class Query:
    """A filter as typed. `notes` says which parts were not understood as the conditions they look like."""

    text: str
    predicates: tuple[Predicate, ...] = ()
    notes: tuple[str, ...] = ()

    def matches(self, run: Run, now: float) -> bool:
        """Whether every part holds for `run` at `now` (Unix seconds)."""
        return all(predicate(run, now) for predicate in self.predicates)


class _MalformedError(Exception):
    """Looks like a condition and is none; the message says why."""


def parse(text: str) -> Query:
    """The filter that `text` means; any text means one."""
    predicates: list[Predicate] = []
    notes: list[str] = []
    for match in _TERM.finditer(text):
        wanted = match["not"] is None
        try:
            found = _condition(match)
        except _MalformedError as problem:
            notes.append(str(problem))
            found = _word(match[0][0 if wanted else 1 :], fuzzy=wanted)
        if found is not None:
            predicates.append(found if wanted else _negated(found))
    return Query(text, tuple(predicates), tuple(notes))


def _negated(predicate: Predicate) -> Predicate:
    return lambda run, now: not predicate(run, now)


def _condition(match: re.Match[str]) -> Predicate | None:
    """The predicate of one term; None for one that is still without its value."""
    if match["stray"] is not None:
        raise _MalformedError(f"{clean(match['stray'])} compares nothing: taken as a word")
    subject = match["bare"] if match["quoted"] is None else match["quoted"]
    if match["op"] is None:
        # A fuzzy "not" would hide nearly everything.
        return _word(subject, fuzzy=match["not"] is None and match["quoted"] is None) if subject else None
    op = match["op"].strip().replace("==", "=")
    value = match["value"] if match["quoted_value"] is None else match["quoted_value"]
    known = subject.casefold()
    if match["bare"] and f"{subject}{op}{value}".startswith(SCHEME):
        return _word(match[0].lstrip("-!"), fuzzy=False)
    if not value and match["quoted_value"] is None:
        return None
    if known in _TEXTS:
        return _text_condition(known, op, value)
    if known in _NUMBERS:
        return _number_condition(_NUMBERS[known], op, value, subject)
    if known in _SPANS:
        return _span_condition(known, op, value)
    if op == ":" and match["quoted"] is None and not _NUMBER.fullmatch(value):
        raise _MalformedError(f"{clean(subject)} is no field: taken as a word")
    return _number_condition(_latest(subject), op, value, subject)


def _word(word: str, *, fuzzy: bool) -> Predicate:
    folded = word.casefold()
    letters = _in_order(folded) if fuzzy else None

    def matches(run: Run, _now: float) -> bool:
        name = run.name.casefold()
        if folded in name or (letters is not None and letters.match(name)):
            return True
        if folded in run.status or folded in (run.facts.base_model or "").casefold():
            return True
        return len(folded) >= _ID_LETTERS and any(
            folded in id_ or id_ in folded for id_ in map(str.casefold, run.training_run_ids)
        )

    return matches


@lru_cache(maxsize=64)
def _in_order(letters: str) -> re.Pattern[str]:
    # Possessive, so that a name that does not match is left in one pass.
    return re.compile("".join(f"[^{re.escape(letter)}]*+{re.escape(letter)}" for letter in letters), re.DOTALL)


def _text_condition(field: str, op: str, value: str) -> Predicate:
    get, wanted = _TEXTS[field], value.casefold()
    if op == ":" and field in _WORDS:
        return lambda run, _now: get(run).startswith(wanted)
    if op == ":":
        return lambda run, _now: wanted in get(run).casefold()
    if op == "=":
        return lambda run, _now: wanted == get(run).casefold()
    if op == "!=":
        return lambda run, _now: wanted != get(run).casefold()
    raise _MalformedError(f"{field} is a text, it cannot be {op} another: taken as a word")


def _number_condition(get: Callable[[Run], float | None], op: str, value: str, subject: str) -> Predicate:
    found = _NUMBER.fullmatch(value)
    if found is None:
        raise _MalformedError(f"{clean(subject)} {op} {clean(value)} compares with no number: taken as a word")
    limit = float(found[1]) * _FACTORS[found[2].lower()]
    return _comparison(lambda run, _now: get(run), "=" if op == ":" else op, limit)


def _span_condition(field: str, op: str, value: str) -> Predicate:
    found = _SPAN.fullmatch(value)
    if found is None:
        raise _MalformedError(f"{field} takes a number with s, m, h, d or w, as in {field}<2d: taken as a word")
    # No age is 2 d to the second; who writes age:2d means within them.
    op = "<=" if op in (":", "=") else op
    return _comparison(_SPANS[field], op, float(found[1]) * _UNITS[found[2].lower()])


def _comparison(get: Callable[[Run, float], float | None], op: str, limit: float) -> Predicate:
    """What isn't known is neither more nor less than anything, nor equal to it."""
    if op == "!=":
        return lambda run, now: get(run, now) != limit
    compare = _COMPARE[op]

    def matches(run: Run, now: float) -> bool:
        value = get(run, now)
        return value is not None and compare(value, limit)

    return matches


def _latest(name: str) -> Callable[[Run], float | None]:
    """The newest value of the metric of that key, of that label, or whose key ends so."""
    folded = name.casefold()
    watched = dict.fromkeys(key for keys in WATCHED.values() for key in keys)
    exact = (name, *(key for key in watched if label(key).casefold() == folded), f"env/all/{name}")
    other: dict[tuple[str, ...], str | None] = {}

    def get(run: Run) -> float | None:
        latest = run.metrics.latest
        for key in exact:
            if key in latest:
                return latest[key]
        keys = run.metrics.keys
        if keys not in other:
            other[keys] = next((key for key in keys if f"/{key.casefold()}".endswith(f"/{folded}")), None)
        found = other[keys]
        return latest.get(found) if found is not None else None

    return get


class Sort(NamedTuple):
    """An order: its column's title, and a run's key, smallest first; `key(run)[0]` is True where it is unknown."""

    title: str
    key: Callable[[Run], tuple[Any, ...]]


_NEEDS_A_LOOK = (
    Status.RUNNING, Status.FAILED, Status.STALLED, Status.INTERRUPTED, Status.COMPLETED, Status.EMPTY,
)  # fmt: skip


def _rising(get: Callable[[Run], float | None]) -> Callable[[Run], tuple[Any, ...]]:
    def key(run: Run) -> tuple[Any, ...]:
        value = get(run)
        known = value is not None and not math.isnan(value)
        return (not known, value if known else 0, run.name)

    return key


def _falling(get: Callable[[Run], float | None]) -> Callable[[Run], tuple[Any, ...]]:
    def negative(run: Run) -> float | None:
        value = get(run)
        return None if value is None else -value

    return _rising(negative)


def _alphabetic(get: Callable[[Run], str | None]) -> Callable[[Run], tuple[Any, ...]]:
    def key(run: Run) -> tuple[Any, ...]:
        text = get(run)
        return (not text, (text or "").casefold(), run.name)

    return key


def _by_metric(run: Run) -> tuple[Any, ...]:
    """The best first among the runs with the same main metric: a reward and a loss don't compare."""
    metric = run.main_metric
    value = run.metrics.latest.get(metric) if metric else None
    if metric is None or value is None or math.isnan(value):
        return (True, "", 0, run.name)
    title, higher = _what_it_is(metric)
    return (False, title, -value if higher else value, run.name)


@lru_cache(maxsize=256)
def _what_it_is(metric: str) -> tuple[str, bool | None]:
    return label(metric), higher_is_better(metric)


SORTS: Mapping[str, Sort] = {
    "age": Sort("AGE", _falling(lambda run: run.updated_at)),
    "name": Sort("NAME", _alphabetic(lambda run: run.name)),
    "status": Sort("STATUS", _rising(lambda run: _NEEDS_A_LOOK.index(run.status))),
    "step": Sort("STEP", _falling(lambda run: run.step)),
    "metric": Sort("METRIC", _by_metric),
    "checkpoints": Sort("CHECKPOINTS", _falling(lambda run: len(run.checkpoints))),
    "eta": Sort("ETA", _rising(lambda run: run.eta_seconds)),
    "model": Sort("MODEL", _alphabetic(lambda run: run.facts.base_model)),
    "rank": Sort("RANK", _falling(lambda run: run.facts.lora_rank)),
}
DEFAULT_SORT = "age"


def sort_runs(runs: Iterable[Run], key: str = DEFAULT_SORT, reverse: bool = False) -> list[Run]:
    """The runs in an order of SORTS, what one looks for first at the top; the unknown last, reversed or not.

    Raises KeyError for an order that isn't in SORTS.
    """
    keyed = [(SORTS[key].key(run), run) for run in runs]
    known = sorted((pair for pair in keyed if not pair[0][0]), key=operator.itemgetter(0), reverse=reverse)
    unknown = sorted((pair for pair in keyed if pair[0][0]), key=operator.itemgetter(0))
    return [run for _, run in (*known, *unknown)]
