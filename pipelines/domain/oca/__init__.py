"""The OCA rule language: classification, organisation and association of raw frames.

rules = parse(text)                          a rule file, read once
classify(rules, header)                      what kind of frame this is
organise(rules, frames)                      which frames are processed together
products(action, group)                      what such a group will make
associate(action, group, pool)               which calibrations it is given
"""

from .associate import Candidate, Chosen, Match, Pool, associate
from .classify import Classification, Overwrite, classify
from .conditions import compile_condition, compile_value
from .errors import OcaError, OcaSyntaxError, OcaUnsupportedError, OcaWarning
from .frames import Frame, FrameId, Group, reference_keywords
from .organise import organise
from .parser import parse
from .printer import print_expression, print_rules
from .products import VirtualProduct, products
from .settings import DEFAULT_SETTINGS, DeltaFrom, Events, OcaSettings, Reference
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
    "Action",
    "Candidate",
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
    "Value",
    "VirtualProduct",
    "associate",
    "classify",
    "compile_condition",
    "compile_value",
    "organise",
    "parse",
    "print_expression",
    "print_rules",
    "products",
    "reference_keywords",
]
