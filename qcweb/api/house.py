"""What every view of the API has: a format, one shape of errors, an ETag, who may see what."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from qcweb import parameters
from qcweb.access import instruments_of
from qcweb.problems import Problem, ProblemError, prefers_html

from .documentation import Asked
from .pages import PageRenderer

# What a page shows of a list, unless it is asked for more: a person reads it.
PAGE_LIMIT = 20


class FormatNegotiation(DefaultContentNegotiation):
    """`?format=` says the format; without it a person gets a page, and a program the first one."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        known = {one.format: one for one in renderers}
        wanted = "html" if prefers_html(request) else request.GET.get("format", "")
        chosen = known.get(wanted, next(iter(known.values())))
        return chosen, chosen.media_type


class HouseView(APIView):
    """A view of the API. What it answers whole gets an ETag, and 304 to whoever has it already."""

    renderer_classes = (JSONRenderer, PageRenderer)
    content_negotiation_class = FormatNegotiation
    # What `?format=` may say, the default first; every view is a page as well.
    formats: ClassVar[tuple[str, ...]] = ("json",)
    # Whether a list is long, and its page therefore shows the beginning.
    is_long: ClassVar[bool] = False

    @method_decorator(conditional_page)
    def dispatch(self, *args: Any, **kwargs: Any) -> Any:
        answer = super().dispatch(*args, **kwargs)
        # View and request refer to each other until all garbage is looked for; the answer need not wait.
        del self.response
        return answer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        parameters.one_of(request.GET, "format", (*self.formats, "html"))
        if isinstance(request.accepted_renderer, PageRenderer):
            request._request.is_page = True  # type: ignore[attr-defined]
            request._request.GET = self._as_for_a_program(request.GET)  # type: ignore[assignment]

    def example(self, answer: Any) -> str | None:
        """Return what the form of a page begins with; without it there is none."""
        return None

    def more_filters(self, **kwargs: Any) -> list[Asked]:
        """Return what may be asked beside what the schema says: the columns of the table at hand."""
        return []

    def _as_for_a_program(self, query: QueryDict) -> QueryDict:
        """Return what a program would ask, to be shown what it would get: a short list."""
        plain = QueryDict(mutable=True)
        for name, texts in query.lists():
            # A form sends what was left empty, too.
            if name != "format" and any(texts):
                plain.setlist(name, [text for text in texts if text])
        if self.is_long:
            plain.setdefault("limit", str(PAGE_LIMIT))
        plain._mutable = False
        return plain


def answer_at_once(request: Request, data: Any) -> HttpResponseBase:
    """Answer with much data: rendered here, unless a page is made of it.

    A response of the framework refers to itself, so that its data stay until all garbage is looked
    for; with thousands of rows a page that would be hundreds of megabytes.
    """
    if isinstance(request.accepted_renderer, PageRenderer):
        return Response(data)
    return HttpResponse(JSONRenderer().render(data), content_type="application/json")


def refuse_foreign(request: HttpRequest, *instruments: str) -> None:
    """Refuse what belongs to another instrument than those a request's token is for."""
    mine = instruments_of(request)
    if mine is not None and not mine.issuperset(instruments):
        words = ", ".join(sorted(mine))
        raise ProblemError(Problem(403, "Not yours to see", f"This token is for {words}."))


def unknown(what: str, name: object, where: str, hint: str) -> ProblemError:
    """Return the answer to an address of something that does not exist."""
    return ProblemError(
        Problem(404, f"Unknown {what}", f"There is no {what} {name!r}.", where=where, hint=hint)
    )
