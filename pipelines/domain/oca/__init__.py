"""The OCA rule language: classification, organisation and association of raw frames.

    rules = parse(text)                  a rule file, read once
    classify(rules, header)              what kind of frame a header describes
    organise(rules, frames)              which frames are processed together
    products(action, group)              what such a group will make
    associate(action, group, pool)       which calibrations it is given
    cascade(rules, groups, files)        the same for all groups, with each other's products

Beside them: `print_rules` writes a tree as text, `survey` sums up what rules are about, `lint`,
`near_misses` and `type_clashes` say why rules do not do what their author hoped, and `OcaSettings`
holds the choices OCA leaves open.
"""

from .associate import Match, associate
from .candidates import Candidate
from .cascade import Block, Cascade, cascade
from .classify import Classification, Overwrite, classify
from .conditions import compile_condition, compile_value
from .errors import OcaError, OcaSyntaxError, OcaUnsupportedError, OcaWarning
from .explain import NearMiss, near_misses, type_clashes
from .frames import Frame, FrameId, Group, reference_keywords
from .lint import lint
from .needs import index_key
from .organise import night_text, organise
from .parser import parse, parse_condition
from .plan import NO_PLAN, AssociationPlan, Breakpoint, Window
from .pools import Pool
from .possible import can_hold
from .printer import print_expression, print_rules
from .products import VirtualProduct, made_category, products
from .search import Chosen
from .settings import DEFAULT_SETTINGS, Certified, DeltaFrom, Events, OcaSettings, Reference
from .survey import Survey, SurveyedType, survey
from .tree import (
    Action,
    ClassRule,
    FileSelect,
    Keywords,
    PoolName,
    ProductRule,
    RecipeRule,
    RuleFile,
    Select,
    Value,
)

__all__ = [
    "DEFAULT_SETTINGS",
    "NO_PLAN",
    "Action",
    "AssociationPlan",
    "Block",
    "Breakpoint",
    "Candidate",
    "Cascade",
    "Certified",
    "Chosen",
    "ClassRule",
    "Classification",
    "DeltaFrom",
    "Events",
    "FileSelect",
    "Frame",
    "FrameId",
    "Group",
    "Keywords",
    "Match",
    "NearMiss",
    "OcaError",
    "OcaSettings",
    "OcaSyntaxError",
    "OcaUnsupportedError",
    "OcaWarning",
    "Overwrite",
    "Pool",
    "PoolName",
    "ProductRule",
    "RecipeRule",
    "Reference",
    "RuleFile",
    "Select",
    "Survey",
    "SurveyedType",
    "Value",
    "VirtualProduct",
    "Window",
    "associate",
    "can_hold",
    "cascade",
    "classify",
    "compile_condition",
    "compile_value",
    "index_key",
    "lint",
    "made_category",
    "near_misses",
    "night_text",
    "organise",
    "parse",
    "parse_condition",
    "print_expression",
    "print_rules",
    "products",
    "reference_keywords",
    "survey",
    "type_clashes",
]
