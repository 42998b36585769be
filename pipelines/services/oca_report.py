"""What the rules of a file make of frames on disk, as plain data: no database is touched."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.domain import oca
from pipelines.domain.recipe_call import split_parameters
from pipelines.fits import FitsError, Value, read_fits

Report = dict[str, Any]
# What every frame is read for, whatever the rules ask.
ALWAYS = frozenset({"MJD-OBS", "EXPTIME", "TPL.START", "TPL.EXPNO", "TPL.NEXP", "ARCFILE"})


@dataclass(frozen=True)
class Unread:
    """A file that is no frame, with the reason."""

    path: Path
    reason: str


@dataclass(frozen=True)
class ReadFrame:
    """A frame with what the rules made of it."""

    path: Path
    result: oca.Classification


def check(path: Path) -> Report:
    """Parse a rule file; `error` is set with line and column when it is refused."""
    try:
        rules = oca.parse(path.read_text(encoding="utf-8", errors="replace"))
    except oca.OcaSyntaxError as error:
        return {
            "file": str(path),
            "error": {
                "line": error.line,
                "column": error.column,
                "expected": error.expected,
                "message": str(error).partition(" ")[2],
            },
        }
    except OSError as error:
        message = error.strerror or str(error)
        return {"file": str(path), "error": {"line": 0, "column": 0, "expected": message}}
    return {
        "file": str(path),
        "rules": len(rules.classification),
        "selects": len(rules.selects),
        "actions": len(rules.action_rules),
        "warnings": [{"line": one.line, "message": one.message} for one in oca.lint(rules)],
    }


def read_frames(
    rules: oca.RuleFile, paths: Iterable[Path], settings: oca.OcaSettings = oca.DEFAULT_SETTINGS
) -> tuple[list[ReadFrame], list[Unread]]:
    """Read and classify frames; what cannot be read is told apart and stops nothing."""
    wanted = ALWAYS | rules.keywords
    frames: list[ReadFrame] = []
    unread: list[Unread] = []
    for path in paths:
        try:
            keywords: dict[str, Value] = dict(read_fits(path, wanted).keywords)
        except (FitsError, OSError) as error:
            unread.append(Unread(path, str(error)))
            continue
        keywords.setdefault("ARCFILE", path.name)
        frames.append(ReadFrame(path, oca.classify(rules, keywords, settings)))
    return frames, unread


def classified(frame: ReadFrame) -> Report:
    return {
        "file": str(frame.path),
        "keywords": frame.result.assigned,
        "fired": list(frame.result.fired),
    }


def organised(
    rules: oca.RuleFile,
    raws: Sequence[ReadFrame],
    calibrations: Sequence[ReadFrame],
    plan: oca.AssociationPlan = oca.NO_PLAN,
    settings: oca.OcaSettings = oca.DEFAULT_SETTINGS,
) -> Report:
    """Group raw frames into blocks, associate them with each other's products and with masters."""
    frames = [oca.Frame(str(one.path), one.result.keywords) for one in raws]
    tags = {str(one.path): one.result.tag or one.result.raw_type for one in raws}
    groups = oca.organise(rules, frames, settings)
    files = [
        oca.Candidate.of(oca.Frame(str(one.path), one.result.keywords))
        for one in (*raws, *calibrations)
    ]
    found = oca.cascade(rules, groups, files, settings, plan)
    place = {index: n for n, index in enumerate(found.order)}
    return {
        "blocks": [_block(rules, found, block, tags, place, settings) for block in found.blocks],
        "circles": [list(circle) for circle in found.cuts],
        "unclassified": [str(one.path) for one in raws if not _is_classified(one.result)],
    }


def _is_classified(result: oca.Classification) -> bool:
    return result.raw_type is not None or result.label != "UNCLASSIFIED"


def _block(
    rules: oca.RuleFile,
    found: oca.Cascade,
    block: oca.Block,
    tags: dict[str, str | None],
    place: dict[int, int],
    settings: oca.OcaSettings,
) -> Report:
    action = rules.actions.get(block.group.action)
    recipe = action.recipes[0] if action and action.recipes else None
    return {
        "index": block.index,
        "action": block.group.action,
        "event": block.group.label,
        "night": oca.night_text(block.group.reference.mjd, settings),
        "recipe": recipe.name if recipe else None,
        "parameters": list(split_parameters(list(recipe.parameters))) if recipe else [],
        "group_by": dict(block.group.key),
        "awaited": block.group.awaited,
        "raw": [{"file": frame.id, "tag": tags[str(frame.id)]} for frame in block.group.frames],
        "associations": [_association(match) for match in block.matches],
        "products": [
            {"label": product.label, "category": product.keywords.get("PRO.CATG")}
            for product in block.products
        ],
        "completeness": "COMPLETE" if block.is_complete else "INCOMPLETE",
        "reasons": list(block.reasons),
        "doubts": list(block.doubts),
        "order": place[block.index],
        "level": found.level(block.index),
        "needs": list(block.producers),
    }


def _association(match: oca.Match) -> Report:
    return {
        "label": match.label,
        "min": match.min_ret,
        "max": match.max_ret,
        "candidates": match.n_candidates,
        "line": match.select_line,
        "chosen": [
            {
                "file": None if one.candidate.producer is not None else one.candidate.id,
                "block": one.candidate.producer,
                "category": one.candidate.keywords.get("PRO.CATG"),
                "distance_days": one.delta_days,
                "level": one.level,
            }
            for one in match.chosen
        ],
    }
