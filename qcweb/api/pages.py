"""The page of an address of the API: what it answers, what it may be asked, and where to go on."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, QueryDict
from django.urls import ResolverMatch, reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer

from qcweb.access import TABLE, Access, allows, rights_in, subject_of

from .documentation import Asked, operation, operations

# What the first address leads to: the name of the URL by the name of the collection.
COLLECTIONS = {
    "instruments": "api:instruments",
    "nights": "api:nights",
    "blocks": "api:blocks",
    "scores": "api:scores",
    "certifications": "api:certifications",
    "reports": "api:reports",
    "tables": "api:tables",
    "events": "api:events",
    "frames": "api:frames",
    "products": "api:products",
    "schema": "api:schema",
}
# In JSON that is escaped for HTML: a key, and a text that is an address of ours.
_KEY = re.compile(r"^( *)&quot;([^&]*)&quot;:", re.MULTILINE)
_ADDRESS = re.compile(
    r"(?<=[ \[])&quot;(/(?:api/v1|blocks|events|frames|nights|products|qc1|reports|rules)/(?:[^\s&]|&amp;)*)&quot;"
)


@dataclass(frozen=True)
class Control:
    """A parameter in the form of its page, with one of the values it has in the address."""

    asked: Asked
    value: str
    number: int

    @property
    def id(self) -> str:
        return f"p-{self.asked.name}-{self.number}"


class PageRenderer(BrowsableAPIRenderer):
    """Shows a person what a program gets."""

    format = "html"
    template = "rest_framework/api.html"

    def get_context(
        self, data: Any, accepted_media_type: str | None, renderer_context: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        known = renderer_context or {}
        view, request, response = known["view"], known["request"], known["response"]
        plain = json.loads(JSONRenderer().render(data) or b"null")
        match = request.resolver_match
        at_root = match.view_name == "api:root"
        reading, acting = operation(match.route, "GET"), operation(match.route, "POST")
        _, needed = TABLE[match.view_name]
        may_act = acting is not None and _may_act(request._request, match, needed)
        address = _address(request.path, request.GET)
        return {
            "name": "API" if at_root else view.get_view_name().capitalize(),
            "subject": list(match.kwargs.values()),
            "within": _within(request.path),
            "description": reading.description if reading else "",
            "line": f"{request.method} {address}",
            "status": response.status_code,
            "json": pretty(plain),
            "address": address,
            "formats": [(one, _with(request, format=one)) for one in view.formats],
            "command": "curl -H 'Accept: application/json' "
            f"{shlex.quote(request.build_absolute_uri(address))}",
            "next": plain.get("next") if isinstance(plain, dict) else None,
            "is_later": "cursor" in request.GET,
            "first": _with(request, cursor=""),
            "collections": {name: reverse(url) for name, url in COLLECTIONS.items()},
            "reading": reading,
            "acting": acting if may_act else None,
            "example": view.example(plain) if may_act and request.method == "GET" else None,
            "controls": controls(
                [*view.more_filters(**match.kwargs), *(reading.filters if reading else [])],
                request.GET,
            ),
            "is_asked": bool(request.META.get("QUERY_STRING")),
            "operations": operations() if at_root else (),
        }


def _may_act(request: HttpRequest, match: ResolverMatch, needed: Access | None) -> bool:
    """Whether the form that acts is for the one who looks; what everybody may read has none."""
    if needed is None or needed == Access.READ:
        return needed is not None
    return allows(rights_in(request), needed, subject_of(request, match))


def _within(path: str) -> list[tuple[str, str]]:
    """Return the collection that an address is of, unless it is that itself."""
    known = [(name, reverse(url)) for name, url in COLLECTIONS.items()]
    return [(name, there) for name, there in known if path.startswith(there) and path != there]


def _address(path: str, query: QueryDict) -> str:
    return f"{path}?{query.urlencode(safe=':')}" if query else path


def _with(request: Any, **fields: str) -> str:
    """Return the address of a request with other words for some of its parameters."""
    query = request.GET.copy()
    for name, text in fields.items():
        query.pop(name, None)
        if text:
            query[name] = text
    return _address(request.path, query)


def _indented(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)


def pretty(data: Any) -> SafeString:
    """Return JSON for a page: indented, its keys quiet, its addresses links."""
    text = str(escape(_indented(data)))
    text = _KEY.sub(r'\1<span class="key">&quot;\2&quot;</span>:', text)
    text = _ADDRESS.sub(r'<a href="\1">&quot;\1&quot;</a>', text)
    return mark_safe(text)  # noqa: S308 all of it was escaped, and the tags are ours


def controls(asked: list[Asked], query: QueryDict) -> list[Control]:
    """Return what a form shows: each parameter once, or once for each of its values."""
    return [
        Control(one, value, number)
        for one in asked
        for number, value in enumerate([text for text in query.getlist(one.name) if text] or [""])
    ]
