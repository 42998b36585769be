"""Organisation: which files are processed together.

Two dialects meet here. Rules for batches say ``group by``; rules for events say
``SIG.TEMPLATE == 1`` (once a template is complete) or ``SIG.FRAME == 1`` (for each file). The
second kind is emulated: the files of a template form a group, ``LF.`` keywords are those of its
last file, and each file is tested on its own keywords, so that the two arms of a spectrograph that
share a template go to the actions of their arm.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pipelines.domain.times import night_of

from .conditions import Test, compile_condition
from .errors import OcaUnsupportedError
from .frames import Frame, Group
from .pools import is_in_pool
from .settings import DEFAULT_SETTINGS, Events, OcaSettings
from .templates import FRAME_SIGNAL, TEMPLATE_KEY, TEMPLATE_SIGNAL, Night, template_id
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

_Key: TypeAlias = tuple[tuple[str, Value | None], ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """One `select execute`, read: its test and what it wants to know beside the header."""

    select: Select
    min_ret: int
    test: Test
    names: frozenset[str]
    nth_select: int

    @property
    def last_file_keywords(self) -> list[str]:
        """The keywords it asks of the last file of a template."""
        return sorted(name for name in self.names if name.startswith(LAST_FILE_PREFIX))

    @property
    def is_about_events(self) -> bool:
        """Whether it is written for events."""
        prefixes = (LAST_FILE_PREFIX, SIGNAL_PREFIX)
        return any(name.startswith(prefixes) for name in self.names)

    @property
    def is_by_template(self) -> bool:
        """Whether it waits for whole templates."""
        asks_last_file = bool(self.last_file_keywords) and FRAME_SIGNAL not in self.names
        return TEMPLATE_SIGNAL in self.names or asks_last_file

    @property
    def is_of_template(self) -> bool:
        """Whether a group lies within one template and grows as long as that lasts."""
        keys = self.select.group_by
        return self.is_by_template or (TEMPLATE_KEY in keys and "ARCFILE" not in keys)

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
    plans = list(_plans(rules, settings))
    last_file_keywords = {name for plan in plans for name in plan.last_file_keywords}
    night = Night(frames, settings, sorted(last_file_keywords))
    return [group for plan in plans for group in _groups(plan, night, settings)]


def _plans(rules: RuleFile, settings: OcaSettings) -> Iterable[_Plan]:
    sticky = 0
    seen: Counter[str] = Counter()
    for select in rules.selects:
        min_ret = select.min_ret
        if settings.sticky_min_ret:
            min_ret = sticky = sticky if min_ret is None else min_ret
        yield _plan(select, min_ret or 0, settings, seen[select.action])
        seen[select.action] += 1


def _plan(select: Select, min_ret: int, settings: OcaSettings, nth_select: int) -> _Plan:
    read = {node.name for node in walk(select) if isinstance(node, Keyword)}
    test = compile_condition(select.condition, settings)
    plan = _Plan(select, min_ret, test, frozenset(read | {*select.group_by}), nth_select)
    if plan.is_about_events and settings.events is Events.REFUSE:
        reason = f"{select.action} is started by events (SIG., LF.), which the settings refuse"
        raise OcaUnsupportedError(select.line, reason)
    return plan


def _groups(plan: _Plan, night: Night, settings: OcaSettings) -> Iterable[Group]:
    groups: dict[object, tuple[_Key, list[Frame]]] = {}
    is_about_events, is_by_template = plan.is_about_events, plan.is_by_template
    for frame in night.frames:
        seen = frame.keywords
        if is_about_events:
            seen = night.seen_at_event(frame, is_of_template=is_by_template)
        if is_in_pool(seen, plan.select.pool, settings) and plan.test(seen, seen):
            key = _key(plan, frame, seen, settings)
            groups.setdefault(_slot(plan, frame, key), (key, []))[1].append(frame)
    for slot, (key, members) in groups.items():
        yield _group(plan, key, tuple(members), night, is_alone=not isinstance(slot, tuple))


def _slot(plan: _Plan, frame: Frame, key: _Key) -> object:
    """Return what the files of one group share and no other group has."""
    template = template_id(frame) if plan.is_by_template else None
    if template is None and (plan.is_by_template or not plan.select.group_by):
        return frame.id
    # The template tells apart two instruments that started one at the same second.
    return (template, *(_bucket(value) for _, value in key))


def _key(plan: _Plan, frame: Frame, seen: Keywords, settings: OcaSettings) -> _Key:
    keys = plan.select.group_by
    if plan.is_by_template:
        keys = (TEMPLATE_KEY, *(key for key in keys if key != TEMPLATE_KEY))
    return tuple((name, _key_value(name, frame, seen, settings)) for name in keys)


def _key_value(name: str, frame: Frame, seen: Keywords, settings: OcaSettings) -> Value | None:
    """Return the value to group by; two keywords are made up where the header lacks them."""
    value = seen.get(name)
    if value is None and name == "ARCFILE":
        # Files that never went through an archive must not all fall into one group.
        return str(frame.id)
    if value is None and name == "NIGHT":
        return night_text(frame.mjd, settings)
    return value.rstrip(" ") if isinstance(value, str) else value


def night_text(mjd: float | None, settings: OcaSettings = DEFAULT_SETTINGS) -> str | None:
    """Return the night of a date, None without one.

    >>> night_text(57080.449), night_text(1e10)
    ('2015-02-26', None)
    """
    try:
        return None if mjd is None else night_of(mjd, settings.night_rollover_hour).isoformat()
    except OverflowError:
        # A date beyond the calendar is a broken header, no reason to stop the night.
        return None


def _bucket(value: Value | None) -> tuple[str, Value | None]:
    """Keep apart what Python calls equal and OCA does not: 1 and T."""
    return ("number" if is_number(value) else type(value).__name__, value)


def _group(
    plan: _Plan, key: _Key, frames: tuple[Frame, ...], night: Night, *, is_alone: bool
) -> Group:
    select = plan.select
    template = night.template_of(frames[0]) if plan.is_of_template else None
    awaited = 0 if template is None else template.awaited
    return Group(
        select.action, plan.label, plan.prefix, key, frames, plan.min_ret, select.line, awaited,
        is_alone=is_alone, nth_select=plan.nth_select,
        waits_for_template=plan.is_by_template,
    )  # fmt: skip
