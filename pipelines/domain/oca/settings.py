"""Where OCA leaves a choice open: the choices, each with the default we think right."""

from dataclasses import dataclass
from enum import StrEnum


class Reference(StrEnum):
    """Whose keywords `inputFile.` means when a block has several files."""

    FIRST = "first"
    """The first file by MJD-OBS."""
    MID_EXPOSURE = "mid_exposure"
    """The first file, but its MJD-OBS is the middle of the block, last exposure included."""
    AGREED = "agreed"
    """Keywords on which all files agree; the others are undefined. MJD-OBS is the first file's."""


class DeltaFrom(StrEnum):
    """From where the distance in time to a calibration is measured."""

    REFERENCE = "reference"
    """From the reference file of the block that asks."""
    TARGET = "target"
    """From the reference file of the target for whose sake the block is run."""


class Certified(StrEnum):
    """What it counts for that a person, or the system, has certified a calibration."""

    PREFER = "prefer"
    """Of calibrations of one level the certified ones come first."""
    IGNORE = "ignore"
    """Nothing."""
    REQUIRE = "require"
    """What is not certified is no candidate."""


class Events(StrEnum):
    """What to do with rules written for events (SIG.TEMPLATE, SIG.FRAME, LF.*)."""

    EMULATE = "emulate"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class OcaSettings:
    """How to read what OCA does not say.

    Parameters
    ----------
    default_min_ret, default_max_ret
        Bounds of a `select file` that names none. `default_max_ret` None means no limit.
    sticky_min_ret
        Whether the minRet before a select holds for the selects after it too.
    reference
        What `inputFile.` means for a block of several files.
    delta_from
        From where distances in time are measured.
    products_inherit_class
        Whether a virtual product keeps the class keywords of its raw files.
    organise_virtual
        Whether virtual products are grouped like raw files.
    dpr_only_calibs
        Whether calibFiles holds files whose only mark is DPR.CATG="CALIB".
    count_incomplete_producers
        Whether a block that lacks an input may feed others with its products.
    undefined_is_unequal
        Whether ``!=`` is true if exactly one side is undefined.
    between_is_inclusive
        Whether the bounds of between and tryBetween belong to the window.
    certified
        What it counts for that a calibration is certified. One of the asking block's own batch counts
        as certified, since both will be judged together.
    events
        What to do with rules written for events.
    night_rollover_hour
        Hour of UT at which NIGHT changes, for files that have no such keyword of their own.
    """

    default_min_ret: int = 1
    default_max_ret: int | None = 1
    sticky_min_ret: bool = False
    reference: Reference = Reference.FIRST
    delta_from: DeltaFrom = DeltaFrom.REFERENCE
    products_inherit_class: bool = False
    organise_virtual: bool = False
    dpr_only_calibs: bool = True
    count_incomplete_producers: bool = False
    undefined_is_unequal: bool = True
    between_is_inclusive: bool = True
    certified: Certified = Certified.PREFER
    events: Events = Events.EMULATE
    night_rollover_hour: int = 21


DEFAULT_SETTINGS = OcaSettings()
