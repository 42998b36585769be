"""Virtual products: what they inherit, what they do not."""

from hypothesis import given, strategies as st

from pipelines.domain.oca import OcaSettings, Reference, parse, products, reference_keywords
from pipelines.domain.oca.frames import Frame, mixed_keywords
from pipelines.domain.oca.products import CLASS_KEYWORDS, is_class_keyword
from tests.pipelines.domain.oca.helpers import frame, group_of
from tests.pipelines.domain.oca.strategies import values


def make(body, *frames, settings=None):
    action = parse(f"action a {{ {body} }}").actions["a"]
    options = () if settings is None else (settings,)
    return products(action, group_of(*frames), *options)


BIAS = frame(
    "b1",
    RAW_TYPE="BIAS",
    REFLEX_CATG="BIAS",
    DO_CATG="BIAS",
    REFLEX_TARGET="T",
    CATG="BIAS",
    DPR_CATG="CALIB",
    DPR_TYPE="BIAS",
    DET_WIN1_BINX=2,
    INSTRUME="FORS2",
    MJD=57080.4,
)


def test_a_product_has_the_header_of_its_block_without_its_class():
    [master] = make('product M { PRO.CATG="MASTER_BIAS"; PRO.EXT="tpl_0000.fits"; }', BIAS)
    assert master.keywords == {
        "DET.WIN1.BINX": 2,
        "INSTRUME": "FORS2",
        "MJD-OBS": 57080.4,
        "PRO.CATG": "MASTER_BIAS",
        "PRO.EXT": "tpl_0000.fits",
    }
    assert (master.label, master.mjd, master.order) == ("M", 57080.4, 0)


def test_a_product_may_be_given_a_class_of_its_own():
    [master] = make('product M { REFLEX.CATG="MASTER_BIAS"; }', BIAS)
    assert master.keywords["REFLEX.CATG"] == "MASTER_BIAS"
    assert "DO.CATG" not in master.keywords


def test_class_keywords_are_inherited_only_if_asked():
    settings = OcaSettings(products_inherit_class=True)
    [master] = make('product M { PRO.CATG="MASTER_BIAS"; }', BIAS, settings=settings)
    assert master.keywords == {**BIAS.keywords, "PRO.CATG": "MASTER_BIAS"}


def test_products_of_one_label_are_separate_files():
    found = make('product REDL { PRO.CATG="A"; } product REDL { PRO.CATG="B"; }', BIAS)
    assert [(p.label, p.keywords["PRO.CATG"], p.order) for p in found] == [
        ("REDL", "A", 0),
        ("REDL", "B", 1),
    ]


def test_values_may_read_the_class_and_the_lines_above():
    [p] = make('product P { PRO.CATG = "M_" + RAW.TYPE; X = PRO.CATG; Y = inputFile.CATG; }', BIAS)
    assert (p.keywords["X"], p.keywords["Y"]) == ("M_BIAS", "BIAS")


def test_an_undefined_value_leaves_the_keyword_undefined():
    [p] = make("product P { INSTRUME = GONE; }", BIAS)
    assert "INSTRUME" not in p.keywords


def test_an_action_without_products_makes_none():
    assert make("recipe r;", BIAS) == []


def test_a_block_without_a_date_makes_products_without_a_date():
    [p] = make('product P { PRO.CATG="P"; }', frame(1))
    assert p.mjd is None


# --- the reference of a block

FLATS = [
    frame(1, MJD=57080.0, EXPTIME=86.4, FILTER="V", BIN=1),
    frame(2, MJD=57080.1, EXPTIME=864.0, FILTER="R", BIN=1.0),
]


def test_the_reference_is_the_first_file_unless_told_otherwise():
    assert reference_keywords(FLATS) == FLATS[0].keywords


def test_the_reference_can_stand_in_the_middle_of_the_exposures():
    settings = OcaSettings(reference=Reference.MID_EXPOSURE)
    keywords = reference_keywords(FLATS, settings)
    assert keywords == {**FLATS[0].keywords, "MJD-OBS": (57080.0 + 57080.11) / 2}
    assert reference_keywords([frame(1, BIN=1)], settings) == {"BIN": 1}
    assert reference_keywords([frame(1, MJD=57080.0)], settings) == {"MJD-OBS": 57080.0}


def test_the_reference_can_be_what_all_files_agree_on():
    settings = OcaSettings(reference=Reference.AGREED)
    assert reference_keywords(FLATS, settings) == {"MJD-OBS": 57080.0, "BIN": 1}


def test_mixed_keywords_are_those_a_match_should_not_rest_on():
    assert mixed_keywords(FLATS) == {"MJD-OBS", "EXPTIME", "FILTER"}
    assert mixed_keywords([frame(1), frame(2, LAMP="on")]) == {"LAMP"}
    assert mixed_keywords([frame(1, LAMP="on"), frame(2)]) == {"LAMP"}
    assert mixed_keywords(FLATS[:1]) == frozenset()


names = st.sampled_from([*CLASS_KEYWORDS, "DPR.TYPE", "DPR.X.Y", "A", "MJD-OBS"])


@given(st.dictionaries(names, values))
def test_no_product_passes_for_a_raw_file_of_its_class(keywords):
    [p] = make('product P { PRO.CATG="P"; }', Frame(1, keywords))
    assert not [name for name in p.keywords if is_class_keyword(name)]
    kept = {name for name in keywords if not is_class_keyword(name)}
    assert set(p.keywords) == kept | {"PRO.CATG"}
