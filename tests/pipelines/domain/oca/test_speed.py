"""Large rule files, long nights and whole archives stay fast.

The bounds are several times what the work takes, so that only a change of order shows.
"""

import time

import pytest

from pipelines.domain.oca import Candidate, Frame, Pool, associate, classify, organise, parse


@pytest.fixture
def elapsed():
    start = time.process_time()
    return lambda: time.process_time() - start


CLASS_RULE = """
if DPR.CATG=="CALIB" and DPR.TYPE=="LAMP,FLAT{n}" and DPR.TECH like "%ECHELLE%"
   and DET.WIN1.BINX=={n} then {{ RAW.TYPE="FLAT{n}"; DO.CATG="FLAT{n}"; }}
"""
SELECT = """
select execute(A{n}) from inputFiles where RAW.TYPE=="FLAT{n}"
   group by TPL.START,DET.WIN1.BINX as (TPL_A,tpl);
"""
ACTION = """
action A{n} {{
    minRet=1; maxRet=1;
    select file as MASTER_BIAS from calibFiles where PRO.CATG=="MASTER_BIAS{n}"
       and inputFile.DET.WIN1.BINX==DET.WIN1.BINX and inputFile.DET.CHIPS==DET.CHIPS
       and inputFile.MJD-OBS - MJD-OBS < 15. and inputFile.MJD-OBS - MJD-OBS > -15.;
    recipe r{n} {{ "--stack=MEDIAN"; }}
    product P {{ PRO.CATG="MASTER_FLAT{n}"; }}
}}
"""
LARGE = "".join(
    template.format(n=n) for template in (CLASS_RULE, SELECT, ACTION) for n in range(400)
)


def test_a_file_of_five_thousand_lines_parses_well_within_a_second(elapsed):
    assert LARGE.count("\n") > 5000
    rules = parse(LARGE)
    assert len(rules.keywords) > 10
    assert elapsed() < 1


def test_a_night_is_classified_and_organised_in_seconds(elapsed):
    rules = parse(LARGE)
    header = {"DPR.CATG": "CALIB", "DPR.TECH": "ECHELLE"}
    frames = []
    for n in range(1000):
        kind = n % 400
        known = header | {"DPR.TYPE": f"LAMP,FLAT{kind}"}
        numbers = {"DET.WIN1.BINX": kind, "MJD-OBS": 57080 + n / 1440}
        frames.append(Frame(n, classify(rules, {**known, **numbers}).keywords))
    groups = organise(rules, frames)
    assert sum(len(group.frames) for group in groups) == 1000
    assert elapsed() < 5


def test_a_large_pool_costs_little_for_each_block(elapsed):
    rules = parse(LARGE)
    pool = Pool(
        calib=[
            Candidate(
                n,
                {"PRO.CATG": f"MASTER_BIAS{n % 400}", "DET.WIN1.BINX": n % 400, "DET.CHIPS": 1,
                 "MJD-OBS": 57000.0 + n / 1000},
                57000.0 + n / 1000,
            )
            for n in range(100_000)
        ]
    )  # fmt: skip
    for n in range(400):
        frame = Frame("f", {"DET.WIN1.BINX": n, "DET.CHIPS": 1, "MJD-OBS": 57050.0})
        [match] = associate(rules.actions[f"A{n}"], [frame], pool)
        assert not match.is_missing
    assert elapsed() < 5
