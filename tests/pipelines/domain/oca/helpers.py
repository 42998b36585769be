"""Short ways to say what the tests of the rule language say often."""

from pipelines.domain.oca import Candidate, Frame, Group, Pool, associate, classify, parse


def condition(text):
    """Parse one condition."""
    [rule] = parse(f"if {text} then {{ X = 1; }}").classification
    return rule.condition


def value(text):
    """Parse one value."""
    [rule] = parse(f"if (T) then {{ X = {text}; }}").classification
    return rule.assignments[0].value


def assigned(rules, **keywords):
    """Classify a header given with underscores for dots, and return what was assigned."""
    return classify(rules, header(**keywords)).assigned


def header(**keywords):
    """Make a header: DPR_TYPE is DPR.TYPE, MJD is MJD-OBS."""
    names = {"MJD": "MJD-OBS"}
    return {names.get(key, key.replace("_", ".")): value for key, value in keywords.items()}


def frame(id, **keywords):
    return Frame(id, header(**keywords))


def group_of(*frames, action="a", min_ret=0):
    return Group(action, "SINGLE", "", (), frames, min_ret, 1)


def select_files(text, reference, candidates, pool="calib", **options):
    """Run the selects of one action body for a group of one reference file."""
    [action] = parse(f"action a {{ {text} }}").action_rules
    group = reference if isinstance(reference, Group) else group_of(reference)
    return associate(action, group, Pool(**{pool: candidates}), **options)


def calib_where(condition, bounds="maxRet=9;"):
    """Write a select of calibrations."""
    return " ".join([bounds, "select file as A", "from calibFiles where", condition, ";"])


def execute(rest=""):
    """Write a select that starts action a."""
    return " ".join(["select execute(a)", "from inputFiles", rest, ";"])


def candidate(id, **keywords):
    return Candidate.of(frame(id, **keywords))


def ids(match):
    return [chosen.candidate.id for chosen in match.chosen]
