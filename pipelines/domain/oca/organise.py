"""Organisation: which files are processed together.

Two dialects meet here. Rules for batches say ``group by``; rules for events say
``SIG.TEMPLATE == 1`` (once a template is complete) or ``SIG.FRAME == 1`` (for each file). The
second kind is emulated: the files of a template form a group, ``LF.`` keywords are those of its
last file, and each file is tested on its own keywords, so that the two arms of a spectrograph that
share a template go to the actions of their arm.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipelines.domain.times import night_of

from .conditions import Test, compile_condition
from .errors import OcaUnsupportedError
from .frames import Frame, Group, number_of
from .pools import is_in_pool
from .settings import DEFAULT_SETTINGS, Events, OcaSettings
from .tree import (
    LAST_FILE_PREFIX,
    SIGNAL_PREFIX,
    Keyword,
    Keywords,
    RuleFile,
    Select,
    Value,
    walk,
)
from .values import is_number

_TEMPLATE_SIGNAL = "SIG.TEMPLATE"
_FRAME_SIGNAL = "SIG.FRAME"
_TEMPLATE_KEY = "TPL.START"

_TemplateId = tuple[Value | None, Value]
_Key = tuple[tuple[str, Value | None], ...]


@dataclass(frozen=True, slots=True)
class _Template:
    """The files of one template: one TPL.START of one instrument."""

    frames: tuple[Frame, ...]
    awaited: int

    @property
    def last(self) -> Frame:
        return max(self.frames, key=_exposure_order)


def _exposure_order(frame: Frame) -> tuple[float, tuple[float, tuple[int, str]]]:
    return (number_of(frame.keywords, "TPL.EXPNO") or 0.0, frame.sort_key)


class _Night:
    """All files at hand, in order, with the templates they belong to."""

    def __init__(self, frames: Sequence[Frame], settings: OcaSettings) -> None:
        wanted = (f for f in frames if settings.organise_virtual or not f.is_virtual)
        self.frames = sorted({frame.id: frame for frame in wanted}.values(), key=_in_time)
        self.settings = settings
        self._templates = _find_templates(self.frames)

    def template_of(self, frame: Frame) -> _Template | None:
        """Return the template of a file, None if it has none."""
        identity = _template_id(frame)
        return None if identity is None else self._templates[identity]


def _in_time(frame: Frame) -> tuple[float, tuple[int, str]]:
    return frame.sort_key


def _template_id(frame: Frame) -> _TemplateId | None:
    start = frame.keywords.get(_TEMPLATE_KEY)
    return None if start is None else (frame.keywords.get("INSTRUME"), start)


def _find_templates(frames: Sequence[Frame]) -> dict[_TemplateId, _Template]:
    members: dict[_TemplateId, list[Frame]] = {}
    latest: dict[Value | None, str] = {}
    for frame in frames:
        identity = _template_id(frame)
        if identity is not None:
            members.setdefault(identity, []).append(frame)
            instrument, start = identity
            latest[instrument] = max(latest.get(instrument, ""), str(start))
    return {
        (instrument, start): _Template(
            tuple(group), _awaited(group) if str(start) == latest[instrument] else 0
        )
        for (instrument, start), group in members.items()
    }


def _awaited(frames: Sequence[Frame]) -> int:
    """Return how many announced exposures of the newest template have not come yet."""
    announced = max(number_of(frame.keywords, "TPL.NEXP") or 0.0 for frame in frames)
    return max(0, math.floor(announced) - len(frames))


@dataclass(frozen=True, slots=True)
class _Plan:
    """One `select execute`, read: its test and what it wants to know beside the header."""

    select: Select
    min_ret: int
    test: Test
    signals: dict[str, Value]
    last_file_keywords: tuple[str, ...]

    @property
    def is_by_template(self) -> bool:
        """Whether the rule waits for whole templates."""
        return _TEMPLATE_SIGNAL in self.signals

    @property
    def is_of_template(self) -> bool:
        """Whether a group lies within one template and grows as long as that lasts."""
        keys = self.select.group_by
        return self.is_by_template or (_TEMPLATE_KEY in keys and "ARCFILE" not in keys)

    @property
    def label(self) -> str:
        if self.select.alias:
            return self.select.alias[0]
        return "TPL_A" if self.is_by_template else "SINGLE"

    @property
    def prefix(self) -> str:
        if self.select.alias:
            return "".join(self.select.alias[1:2])
        return "tpl" if self.is_by_template else ""


def organise(
    rules: RuleFile, frames: Sequence[Frame], settings: OcaSettings = DEFAULT_SETTINGS
) -> list[Group]:
    """Group classified files into the units of processing.

    Parameters
    ----------
    rules
        The rule file.
    frames
        All files at hand, in any order; the result does not depend on it. A file may be in groups
        of several rules, never twice in one.
    settings
        Choices OCA leaves open.

    Returns
    -------
    list of Group
        In the order of the rules, then in time. Groups below their minRet are among them, marked
        `is_too_small`; unfinished templates are among them, with `awaited` above 0.

    Raises
    ------
    OcaUnsupportedError
        For a rule about events, if the settings refuse these.

    Examples
    --------
    >>> from .parser import parse
    >>> rules = parse('minRet=3; select execute(bias) from inputFiles where RAW.TYPE=="BIAS"'
    ...               ' group by TPL.START as (TPL_A,tpl);')
    >>> start = {"RAW.TYPE": "BIAS", "TPL.START": "2015-02-27T10:46:39"}
    >>> frames = [Frame(n, {**start, "MJD-OBS": 57080.4 + n / 1000}) for n in range(2)]
    >>> [group] = organise(rules, frames)
    >>> group.label, len(group.frames), group.is_too_small
    ('TPL_A', 2, True)
    """
    night = _Night(frames, settings)
    return [group for plan in _plans(rules, settings) for group in _groups(plan, night)]


def _plans(rules: RuleFile, settings: OcaSettings) -> Iterable[_Plan]:
    sticky = 0
    for select in rules.selects:
        min_ret = select.min_ret
        if settings.sticky_min_ret:
            min_ret = sticky = sticky if min_ret is None else min_ret
        yield _plan(select, min_ret or 0, settings)


def _plan(select: Select, min_ret: int, settings: OcaSettings) -> _Plan:
    names = {node.name for node in walk(select) if isinstance(node, Keyword)} | {*select.group_by}
    last = sorted(name for name in names if name.startswith(LAST_FILE_PREFIX))
    signals: dict[str, Value] = {n: 1 for n in names if n.startswith(SIGNAL_PREFIX)}
    if last and _FRAME_SIGNAL not in signals:
        signals[_TEMPLATE_SIGNAL] = 1
    if signals and settings.events is Events.REFUSE:
        reason = f"{select.action} is started by events (SIG., LF.), which the settings refuse"
        raise OcaUnsupportedError(select.line, reason)
    test = compile_condition(select.condition, settings)
    return _Plan(select, min_ret, test, signals, tuple(last))


def _groups(plan: _Plan, night: _Night) -> Iterable[Group]:
    groups: dict[object, tuple[_Key, list[Frame]]] = {}
    for frame in night.frames:
        seen = _with_signals(plan, frame, night)
        if is_in_pool(seen, plan.select.pool, night.settings) and plan.test(seen, seen):
            key = _key(plan, frame, seen, night.settings)
            groups.setdefault(_slot(plan, frame, key), (key, []))[1].append(frame)
    for key, members in groups.values():
        yield _group(plan, key, tuple(members), night)


def _slot(plan: _Plan, frame: Frame, key: _Key) -> object:
    """Return what the files of one group share and no other group has."""
    template = _template_id(frame) if plan.is_by_template else None
    if template is None and (plan.is_by_template or not plan.select.group_by):
        return frame.id
    # The template tells apart two instruments that started one at the same second.
    return (template, *(_bucket(value) for _, value in key))


def _with_signals(plan: _Plan, frame: Frame, night: _Night) -> Keywords:
    """Return the header of a file with the pseudo-keywords of the event dialect."""
    if not plan.signals:
        return frame.keywords
    template = night.template_of(frame)
    last = frame if template is None else template.last
    seen = {**frame.keywords, **plan.signals}
    for name in plan.last_file_keywords:
        value = last.keywords.get(name.removeprefix(LAST_FILE_PREFIX))
        if value is not None:
            seen[name] = value
    return seen


def _key(plan: _Plan, frame: Frame, seen: Keywords, settings: OcaSettings) -> _Key:
    names = dict.fromkeys((_TEMPLATE_KEY, *plan.select.group_by))
    if not plan.is_by_template:
        names = dict.fromkeys(plan.select.group_by)
    return tuple((name, _key_value(name, frame, seen, settings)) for name in names)


def _key_value(name: str, frame: Frame, seen: Keywords, settings: OcaSettings) -> Value | None:
    """Return the value to group by; two keywords are made up where the header lacks them."""
    value = seen.get(name)
    if value is None and name == "ARCFILE":
        # Files that never went through an archive must not all fall into one group.
        return str(frame.id)
    if value is None and name == "NIGHT" and frame.mjd is not None:
        return night_of(frame.mjd, settings.night_rollover_hour).isoformat()
    return value.rstrip(" ") if isinstance(value, str) else value


def _bucket(value: Value | None) -> tuple[str, Value | None]:
    """Keep apart what Python calls equal and OCA does not: 1 and T."""
    return ("number" if is_number(value) else type(value).__name__, value)


def _group(plan: _Plan, key: _Key, frames: tuple[Frame, ...], night: _Night) -> Group:
    select = plan.select
    template = night.template_of(frames[0]) if plan.is_of_template else None
    awaited = 0 if template is None else template.awaited
    return Group(
        select.action, plan.label, plan.prefix, key, frames, plan.min_ret, select.line, awaited
    )
