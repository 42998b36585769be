"""Trees of any shape the language can write, for tests that go round."""

from hypothesis import strategies as st

from pipelines.domain.oca import PoolName
from pipelines.domain.oca.tree import (
    Action,
    And,
    Arithmetic,
    Assignment,
    Between,
    ClassRule,
    Compare,
    FileSelect,
    Is,
    Keyword,
    Like,
    Literal,
    Not,
    Or,
    ProductRule,
    RecipeRule,
    Regexp,
    RuleFile,
    Select,
    Signed,
)

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
keyword_names = st.from_regex(
    r"[A-Z][A-Z0-9_]{0,4}(\.[A-Z0-9_]{1,4}){0,2}(-[A-Z]{1,3})?", fullmatch=True
).filter(lambda name: name not in {"T", "F"})
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
numbers = st.integers(0, 10**6) | st.floats(0, 1e30, allow_nan=False)
values = texts | numbers | st.booleans()
literals = values.map(Literal)
keywords = st.builds(Keyword, keyword_names, st.booleans())
patterns = st.sampled_from(["X_[wn]fm", r"^\d+\.fits$", 'a"b', "%", "a|b"])


def _larger(smaller):
    chains = st.lists(smaller, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Signed, st.sampled_from("+-"), smaller),
        st.builds(Arithmetic, st.sampled_from("+-*/%"), smaller, smaller),
        st.builds(
            Compare, st.sampled_from(["==", "!=", "?=", "<", "<=", ">", ">="]), smaller, smaller
        ),
        st.builds(Like, smaller, smaller),
        st.builds(Regexp, smaller, patterns),
        st.builds(Is, smaller, st.sampled_from(["undefined", "string"])),
        st.builds(Between, smaller, smaller, smaller, st.booleans()),
        st.builds(Not, smaller),
        st.builds(And, chains),
        st.builds(Or, chains),
    )


expressions = st.recursive(literals | keywords, _larger, max_leaves=12)
conditions = st.none() | expressions
counts = st.none() | st.integers(0, 2000)
pools = st.sampled_from(PoolName)
assignments = st.lists(st.builds(Assignment, keyword_names, expressions), max_size=3).map(tuple)
class_rules = st.builds(ClassRule, expressions, assignments)
selects = st.builds(
    Select,
    names,
    pools,
    conditions,
    st.lists(keyword_names, max_size=3).map(tuple),
    st.lists(names, max_size=2).map(tuple),
    counts,
    counts,
)
file_selects = st.builds(FileSelect, names, pools, conditions, counts, counts)
recipes = st.builds(RecipeRule, names, st.lists(texts, max_size=3).map(tuple))
product_rules = st.builds(ProductRule, names, assignments)
actions = st.builds(
    Action,
    names,
    st.lists(file_selects, max_size=3).map(tuple),
    st.lists(recipes, max_size=2).map(tuple),
    st.lists(product_rules, max_size=2).map(tuple),
    counts,
)
rule_files = st.builds(
    RuleFile,
    st.lists(class_rules, max_size=3).map(tuple),
    st.lists(selects, max_size=3).map(tuple),
    st.lists(actions, max_size=3).map(tuple),
)
