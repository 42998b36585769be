"""Association trees: of registered frames from the database, of files by rules alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.domain import oca
from pipelines.domain.calselector import Association, MatchQuality, Mode, TreeFile
from pipelines.models import AssociationBlock, CalibrationLink, Completeness, Flavour, RawFile

from .instruments import NoRulesError, parsed, plan_of, rules_of, settings_of
from .needs import Asker, askers, find_matches, offers_for
from .oca_report import ReadFrame
from .offers import HORIZON_DAYS, Offers


class NoTreeError(Exception):
    """A frame that has no association tree; the message says why."""


# Real cascades are nine deep. A tree is written branch by branch: a series of darks, each made with
# the one before, is no tree that anybody reads.
DEEPEST = 60


def _refuse_depth(name: str, depth: int) -> None:
    if depth > DEEPEST:
        raise NoTreeError(f"{name}: what it needs goes on for more than {DEEPEST} steps: no tree.")


def archive_name(name: str) -> str:
    """Return a file's name as the archive writes it: without what says that it is FITS.

    >>> archive_name("FORS2.2021-01-02T00:59:12.533.fits")
    'FORS2.2021-01-02T00:59:12.533'
    """
    return name.removesuffix(".fits").removesuffix(".fit")


def quality_of(plan: oca.AssociationPlan, action: str, label: str, level: int) -> MatchQuality:
    if not plan.windows_of(action, label):
        return MatchQuality.ANY if level == 0 else MatchQuality.EXTENDED
    return MatchQuality.EXTENDED if level else MatchQuality.CALIB_PLAN


# --- from the database


def tree_of(frame: RawFile, mode: Mode) -> Association:
    """Return the tree of a registered frame.

    Raw to raw goes by the instrument's raw-to-raw rules where it has some, else by the frames of
    the blocks that make the masters.

    Raises
    ------
    NoTreeError
        No rule asks for calibrations for such a frame.
    """
    if mode is Mode.RAW2RAW:
        try:
            rule_set = rules_of(frame.instrument, frame.night, Flavour.RAW2RAW)
        except NoRulesError:
            pass
        else:
            return _tree_by_rules(frame, parsed(rule_set.text), plan_of(rule_set.levels))
    link = frame.block_frames.select_related("block__rule_set", "block__instrument").first()
    if link is not None:
        return _of_block(link.block, mode, None, MatchQuality.ANY, ())
    return _of_science(frame, mode)


def _of_block(
    block: AssociationBlock,
    mode: Mode,
    label: str | None,
    match: MatchQuality,
    path: tuple[int, ...],
) -> Association:
    """Return the tree of a block; without a label it is the root."""
    _refuse_depth(block.ab_name, len(path))
    plan = plan_of(block.rule_set.levels)
    links = block.calibrations.select_related(
        "producer__rule_set", "producer__instrument", "file"
    ).order_by("pk")
    below = tuple(
        _of_link(link, plan, block.action, mode, (*path, block.pk))
        for link in links
        if link.producer_id not in path
    )
    is_complete = block.completeness == Completeness.COMPLETE
    return Association(
        category=label or block.action,
        certified=block.is_certified,
        complete=is_complete and all(one.complete for one in below),
        files=_block_files(block) if label is None or mode is Mode.RAW2RAW else _masters(block),
        associated=below if label is None or mode is Mode.RAW2RAW else (),
        messages=() if is_complete else (block.incomplete_reason,),
        mode=mode if label is None else None,
        match=None if label is None else match,
    )


def _of_link(
    link: CalibrationLink, plan: oca.AssociationPlan, action: str, mode: Mode, path: tuple[int, ...]
) -> Association:
    match = quality_of(plan, action, link.label, link.level)
    if link.producer is None:
        return _of_file(link.label, link.file, match)
    return _of_block(link.producer, mode, link.label, match, path)


def _of_file(label: str, file: RawFile | None, match: MatchQuality) -> Association:
    if file is None:
        raise ValueError("a calibration is of a block or a file")
    category = file.pro_catg or file.do_catg
    tree_file = TreeFile(category, archive_name(file.name))
    return Association(label, True, file.gone_at is None, (tree_file,), match=match)


def _block_files(block: AssociationBlock) -> tuple[TreeFile, ...]:
    links = block.block_frames.select_related("raw_file").order_by(
        "raw_file__mjd_obs", "raw_file__name", "pk"
    )
    return tuple(
        TreeFile(link.raw_file.do_catg, archive_name(link.raw_file.name)) for link in links
    )


def _masters(block: AssociationBlock) -> tuple[TreeFile, ...]:
    """Return the masters a block makes, named after it; the recipe's own names are not unique."""
    stem = block.ab_name.removesuffix(".ab")
    categories = [str(one["keywords"].get("PRO.CATG", "")) for one in block.virtual_products]
    return tuple(TreeFile(catg, f"M.{stem}.{catg}") for catg in dict.fromkeys(categories) if catg)


def _of_science(frame: RawFile, mode: Mode) -> Association:
    """Return the tree of a frame that is in no block: it is associated now."""
    night = RawFile.objects.of_night(frame.instrument, frame.night).filter(
        is_science=True, hidden_at=None
    )
    rule_set = rules_of(frame.instrument, frame.night)
    for one, members in askers(frame.instrument, rule_set, list(night)):
        if frame.pk in {member.pk for member in members}:
            offers = offers_for(frame.instrument, [one], members)
            return _of_asker(one, members, offers, mode)
    raise NoTreeError(
        f"{frame.name}: no rule of {frame.instrument.name} says what a frame of class "
        f"{frame.raw_type or 'none'} needs."
    )


def _of_asker(one: Asker, members: Sequence[RawFile], offers: Offers, mode: Mode) -> Association:
    below: list[Association] = []
    messages: list[str] = []
    for match in find_matches(one, offers):
        if match.is_missing:
            messages.append(match.text)
        for chosen in sorted(match.chosen, key=lambda c: c.candidate.mjd or 0.0):
            offer = offers.by_id[chosen.candidate.id]
            quality = quality_of(one.plan, one.action.name, match.label, chosen.level)
            if offer.producer is None:
                below.append(_of_file(match.label, offer.file, quality))
            else:
                below.append(_of_block(offer.producer, mode, match.label, quality, ()))
    return Association(
        category=one.action.name,
        certified=all(child.certified for child in below),
        complete=not messages and all(child.complete for child in below),
        files=tuple(TreeFile(frame.do_catg, archive_name(frame.name)) for frame in members),
        associated=tuple(below),
        messages=tuple(messages),
        mode=mode,
    )


def _tree_by_rules(frame: RawFile, rules: oca.RuleFile, plan: oca.AssociationPlan) -> Association:
    """Return the raw-to-raw tree by rules of their own, over all frames around."""
    around = RawFile.objects.usable().filter(
        instrument=frame.instrument,
        mjd_obs__gte=frame.mjd_obs - HORIZON_DAYS,
        mjd_obs__lte=frame.mjd_obs + HORIZON_DAYS,
    )
    masters = RawFile.objects.usable().masters().filter(instrument=frame.instrument)
    settings = settings_of(frame.instrument)
    # By their keys: frames of one name are different frames.
    read = {
        str(one.pk): ReadFrame(Path(one.name), oca.classify(rules, one.keywords, settings))
        for one in (*masters, *around, frame)
    }
    return _tree_among(rules, read, str(frame.pk), plan, settings, Mode.RAW2RAW)


# --- from files


def tree_from_files(
    rules: oca.RuleFile,
    frames: Sequence[ReadFrame],
    of: Path,
    plan: oca.AssociationPlan,
    settings: oca.OcaSettings,
    mode: Mode,
) -> Association:
    """Return the tree of one file among others, by rules alone.

    Raises
    ------
    NoTreeError
        The rules make no group of it.
    """
    by_path = {str(one.path): one for one in frames}
    if str(of) not in by_path:
        raise NoTreeError(f"{of}: the rules put it into no group.")
    return _tree_among(rules, by_path, str(of), plan, settings, mode)


def _tree_among(
    rules: oca.RuleFile,
    frames: Mapping[str, ReadFrame],
    of: str,
    plan: oca.AssociationPlan,
    settings: oca.OcaSettings,
    mode: Mode,
) -> Association:
    """Return the tree of one of some frames, each by a key of its own."""
    seen = [oca.Frame(key, one.result.keywords) for key, one in frames.items()]
    # Masters are there to be chosen; only raw frames are grouped.
    raws = [frame for frame in seen if "PRO.CATG" not in frame.keywords]
    groups = oca.organise(rules, raws, settings)
    found = oca.cascade(rules, groups, [oca.Candidate.of(frame) for frame in seen], settings, plan)
    for block in found.blocks:
        if of in {str(frame.id) for frame in block.group.frames}:
            return _FileTree(found, frames, plan, mode).root(block)
    raise NoTreeError(f"{frames[of].path}: the rules put it into no group.")


class _FileTree:
    """The tree of a block of a cascade over files."""

    def __init__(
        self,
        found: oca.Cascade,
        frames: Mapping[str, ReadFrame],
        plan: oca.AssociationPlan,
        mode: Mode,
    ) -> None:
        self._found, self._frames, self._plan, self._mode = found, frames, plan, mode

    def root(self, block: oca.Block) -> Association:
        below = self._below(block)
        return Association(
            category=block.group.action,
            certified=all(one.certified for one in below),
            complete=block.is_complete and all(one.complete for one in below),
            files=self._group(block),
            associated=below,
            messages=block.reasons,
            mode=self._mode,
        )

    def _below(self, block: oca.Block, depth: int = 0) -> tuple[Association, ...]:
        _refuse_depth(str(self._frames[str(block.group.reference.id)].path), depth)
        return tuple(
            child
            for match in block.matches
            for child in self._children(block.group.action, match, depth)
        )

    def _children(self, action: str, match: oca.Match, depth: int) -> list[Association]:
        """Return what one select has found, in order of time; a block's products are one."""
        children: dict[object, Association] = {}
        for chosen in sorted(match.chosen, key=lambda one: one.candidate.mjd or 0.0):
            candidate = chosen.candidate
            quality = quality_of(self._plan, action, match.label, chosen.level)
            if candidate.producer is None:
                file = self._file(str(candidate.id))
                children[candidate.id] = Association(
                    match.label, True, True, (file,), match=quality
                )
                continue
            producer = self._found.blocks[int(candidate.producer)]
            key = ("block", producer.index)
            if key not in children:
                children[key] = self._of_producer(match.label, producer, quality, depth + 1)
        return list(children.values())

    def _of_producer(
        self, label: str, block: oca.Block, quality: MatchQuality, depth: int
    ) -> Association:
        below = self._below(block, depth)
        is_raw = self._mode is Mode.RAW2RAW
        masters = tuple(
            TreeFile(str(one.keywords.get("PRO.CATG", one.label)), f"virtual {one.label}")
            for one in block.products
        )
        return Association(
            category=label,
            # Files on disk alone say nothing of decisions: what may be chosen counts as certified.
            certified=True,
            complete=block.is_complete and all(one.complete for one in below),
            files=self._group(block) if is_raw else masters,
            associated=below if is_raw else (),
            messages=block.reasons,
            match=quality,
        )

    def _group(self, block: oca.Block) -> tuple[TreeFile, ...]:
        return tuple(self._file(str(frame.id)) for frame in block.group.frames)

    def _file(self, key: str) -> TreeFile:
        frame = self._frames[key]
        result = frame.result
        name = str(result.keywords.get("ARCFILE", frame.path.name))
        return TreeFile(result.tag or result.label, archive_name(name))
