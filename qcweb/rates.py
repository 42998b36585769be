"""How often programs may ask: a token, an account and an address have so many requests in a time."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import limits
import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from qcweb.access import is_machine_door, name_of, secret_of
from qcweb.addresses import address_of, subscriber_of
from qcweb.people.services.tokens import digest_of
from qcweb.problems import Problem, as_json

logger = logging.getLogger(__name__)

# Whoever sends more wrong tokens than this guesses, or does not read what he is answered.
FAILED = limits.parse("20/minute")
# A request waits no longer for Redis, and after that no other does for a while.
REDIS_TIMEOUT_S = 0.5
REDIS_PAUSE_S = 10.0


@dataclass(frozen=True)
class Budget:
    """What a request is counted under."""

    limit: limits.RateLimitItem
    key: str
    who: str

    @property
    def words(self) -> str:
        several = "" if self.limit.multiples == 1 else f"{self.limit.multiples} "
        return f"{self.limit.amount} per {several}{self.limit.GRANULARITY.name} {self.who}"


@dataclass(frozen=True)
class Standing:
    """What is left of a budget, and how long until all of it is there again."""

    budget: Budget
    remaining: int
    reset_s: int
    is_over: bool = False


class Counter:
    """Counts in the broker's Redis for all processes, else in this one alone.

    Where Redis does not answer nothing is counted and everybody passes: data are worth more than
    their limits.
    """

    def __init__(self, broker_url: str) -> None:
        self._limiter = FixedWindowRateLimiter(_storage(broker_url))
        self._silent_until = 0.0
        self._is_silent = False

    def hit(self, budget: Budget) -> Standing | None:
        """Count a request; None where that cannot be done."""
        return self._ask(budget, self._limiter.hit)

    def look(self, budget: Budget) -> Standing | None:
        """Look whether there is room for a request, without counting it."""
        return self._ask(budget, self._limiter.test)

    def _ask(self, budget: Budget, question: Callable[..., bool]) -> Standing | None:
        if time.monotonic() < self._silent_until:
            return None
        try:
            has_room = question(budget.limit, budget.key)
            reset_at, remaining = self._limiter.get_window_stats(budget.limit, budget.key)
        except StorageError as error:
            self._say_silent(error.storage_error)
            return None
        self._say_back()
        reset_s = max(0, math.ceil(reset_at - time.time()))
        return Standing(budget, remaining, reset_s, is_over=not has_room)

    def _say_silent(self, error: Exception) -> None:
        self._silent_until = time.monotonic() + REDIS_PAUSE_S
        if not self._is_silent:
            logger.warning("Redis does not answer, requests are not limited: %s", error)
        self._is_silent = True

    def _say_back(self) -> None:
        if self._is_silent:
            logger.info("Redis answers again, requests are limited")
        self._is_silent = False


def _storage(broker_url: str) -> MemoryStorage | RedisStorage:
    url = broker_url.partition(";")[0]  # Celery may be given several
    if not url.startswith(("redis://", "rediss://")):
        return MemoryStorage(wrap_exceptions=True)
    pool = redis.ConnectionPool.from_url(
        url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
    return RedisStorage(url, connection_pool=pool, key_prefix="hcm-rates", wrap_exceptions=True)


class RateMiddleware:
    """Answers 429 to a program that asks too often, and tells each what it has left."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    @cached_property
    def counter(self) -> Counter:
        return Counter(settings.CELERY_BROKER_URL)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        name = name_of(request)
        if name is None or not is_machine_door(name):
            return self.get_response(request)
        guesses, budget = _guesses_of(request), _budget_of(request)
        if guesses and (standing := self.counter.look(guesses)) and standing.is_over:
            return _too_many(standing)
        standing = self.counter.hit(budget) if budget else None
        if standing and standing.is_over:
            return _too_many(standing)
        response = self.get_response(request)
        if guesses and response.status_code == 401:
            standing = self.counter.hit(guesses)
        if standing:
            _tell(response, standing)
        return response


def _guesses_of(request: HttpRequest) -> Budget | None:
    """Return what a token that turns out to be no good is counted under."""
    if secret_of(request) is None or settings.HCM_RATE_ADDRESS is None:
        return None
    address = subscriber_of(address_of(request))
    return Budget(FAILED, f"failed {address}", "with tokens that are no good from this address")


def _budget_of(request: HttpRequest) -> Budget | None:
    """Return what a request is counted under: its token, its account, else its address."""
    if secret := secret_of(request):
        limit, key, who = settings.HCM_RATE_TOKEN, f"token {digest_of(secret)}", "with this token"
    elif request.user.is_authenticated:
        limit, key, who = settings.HCM_RATE_TOKEN, f"account {request.user.pk}", "by this account"
    else:
        address = subscriber_of(address_of(request))
        limit, key, who = settings.HCM_RATE_ADDRESS, f"address {address}", "from this address"
    return Budget(limit, key, who) if limit is not None else None


def _too_many(standing: Standing) -> HttpResponse:
    wait_s = max(1, standing.reset_s)
    response = as_json(
        Problem(
            429, "Too many requests", f"More than {standing.budget.words}.",
            hint=f"Wait {wait_s} s. The RateLimit headers of every answer say how many are left.",
        )
    )  # fmt: skip
    response["Retry-After"] = str(wait_s)
    _tell(response, standing)
    return response


def _tell(response: HttpResponseBase, standing: Standing) -> None:
    response["RateLimit-Limit"] = str(standing.budget.limit.amount)
    response["RateLimit-Remaining"] = str(standing.remaining)
    response["RateLimit-Reset"] = str(standing.reset_s)
