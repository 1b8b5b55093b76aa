"""One rate limit: what of it is left, as far as can be known from here."""

from __future__ import annotations

from dataclasses import dataclass

from promptops.admission.models import Bucket, Mark, Sliding
from promptops.types import Allowance

_MARGIN = 0.02
"""The most that is left alone, as a part of the limit, where others take from it unforeseen."""

_MOMENT = 1 / 60
"""Part of a limit's span."""

_SWAY = 0.05
"""The most that one moment can count, as a part of the limit."""

_PRIOR = 0.01
"""Most servers have buckets: how much of a limit that belief is worth."""

_DOUBT = 0.05
"""Part of what was sent since the last reading that may have been charged beside what was expected."""

_DOUBTFUL = 3.0
"""Requests by which one way of counting must have foretold better than the other."""

_LITTLE = 0.3
"""A part of what was asked."""

_LEAST_RATIO, _MOST_RATIO = 0.25, 8.0


@dataclass(slots=True)
class Share:
    """What one request took of a limit."""

    limit: Limit
    asked: float
    """As it was expected, before the server's own way of counting."""
    total: float
    """All that was asked until then, this included."""
    number: int
    bucket: Mark
    sliding: Mark
    refunded: bool = False


class Limit:
    """A limit of ``capacity`` a minute, told by a person or named by a server.

    ``ratio`` is what the server charges for each token expected: some count the most that an answer may take, others
    what it took. What a request takes of a limit in requests is ``certain``.
    """

    def __init__(self, capacity: float, now: float, level: float | None = None, *, certain: bool = False) -> None:
        level = capacity if level is None else level
        self._certain = certain
        self.ratio = 1.0
        self.margin = 0.0
        self.bucket = Bucket(capacity, now, level)
        self.sliding = Sliding(capacity, now, level)
        self.full_at = now
        """When the server said that all would be there again, were nothing sent."""
        self._readings = 0
        self._off = (0.0, 0.0)
        self._judged_at = now
        self._bucket_better = _PRIOR * capacity
        self._number = 0
        self._asked = 0.0
        self._refunded = 0.0
        self._read_until = 0.0
        self._began = now
        self._level_then = level
        self._newest = -1
        self._reacted = 0

    @property
    def capacity(self) -> float:
        """The most there can be."""
        return self.bucket.capacity

    def charge(self, asked: float) -> float:
        """What the server is thought to take for a request that was expected to take ``asked``."""
        return asked * self.ratio

    def level(self, now: float) -> float:
        """What is left, as far as is known."""
        self._believed.advance(now)
        return self._believed.level

    def take(self, asked: float, now: float) -> Share:
        """A request is sent."""
        amount = self.charge(asked)
        self._number += 1
        self._asked += asked
        marks = self.bucket.take(amount, now), self.sliding.take(amount, now)
        return Share(self, asked, self._asked, self._number, *marks)

    def wait(self, asked: float, now: float, *, news: bool = True) -> float:
        """Seconds until a request may be sent; ``news`` says whether answers are under way that will tell more.

        Before a second reading nobody knows how the server counts, so both ways must allow it. Without any news to come
        somebody has to go and see: as soon as all should be there again, or one way allows it that may be the true one.
        """
        unread = self._asked - self._read_until if self._readings and not self._certain else 0.0
        needed = min(self.charge(asked + _DOUBT * unread) + self.margin, self.capacity)
        if self._readings == 1 and news:
            wait = max(self.bucket.wait(needed, now), self.sliding.wait(needed, now))
        elif not news and abs(self._bucket_better) < _DOUBTFUL * self.charge(asked):
            wait = min(self.bucket.wait(needed, now), self.sliding.wait(needed, now))
        else:
            wait = self._believed.wait(needed, now)
        return wait if news or self.full_at <= now else min(wait, self.full_at - now)

    @property
    def _believed(self) -> Bucket | Sliding:
        return self.bucket if self._bucket_better >= 0 else self.sliding

    def _judge(self, bucket: float, sliding: float, sent: float) -> None:
        """Add up what surprised the two models in the moment before ``sent``, and hold the sums against each other.

        Sums, since requests that overtake each other surprise both alike, up and then down.
        """
        self._off = self._off[0] + bucket, self._off[1] + sliding
        if sent >= self._judged_at + _MOMENT * self.bucket.span:
            better = abs(self._off[1]) - abs(self._off[0])
            most = _SWAY * self.capacity
            self._bucket_better = 0.9 * self._bucket_better + min(max(better, -most), most)
            self._off, self._judged_at = (0.0, 0.0), sent

    def settle(self, share: Share, used: float) -> None:
        """What a request took in truth; of no use where the server itself says what is left."""
        if not self._readings:
            self.bucket.change(share.bucket, used)
            self.sliding.change(share.sliding, used)

    def refund(self, share: Share) -> None:
        """The request was rejected, or not sent."""
        self._refunded += share.asked
        share.refunded = True
        self.bucket.change(share.bucket, 0.0)
        self.sliding.change(share.sliding, 0.0)

    def read(self, share: Share, said: Allowance, now: float) -> None:
        """What the server said in answer to a request; news that later requests have overtaken is none."""
        if said.limit is not None and said.limit > 0:
            self.bucket.resize(said.limit)
            self.sliding.resize(said.limit)
        if said.remaining is None or share.number < self._newest:
            return
        self._newest = share.number
        self._readings += 1
        self._read_until = share.total
        if not share.refunded and not self._certain:
            self._count(share, said.remaining)
        self._learn(said.remaining, said.reset, now)
        bucket = self.bucket.read(share.bucket, said.remaining)
        sliding = self.sliding.read(share.sliding, said.remaining)
        self._judge(bucket, sliding, share.bucket.entry.at)

    def begin(self, said: Allowance, now: float) -> None:
        """The first that is heard of it."""
        self._readings = 1
        if said.remaining is not None:
            self.sliding.begin(said.remaining)
            self._learn(said.remaining, said.reset, now)

    def rejected(self, share: Share, now: float, *, said: bool) -> None:
        """A request was rejected that should have passed: others draw on it too, so leave a little more alone.

        Where the server did not say what is left, it is less than the request takes.
        """
        amount = self.charge(share.asked)
        if not said:
            bucket = min(0.0, amount / 2 - self.bucket.foretold(share.bucket))
            sliding = min(0.0, amount / 2 - self.sliding.foretold(share.sliding))
            self._judge(bucket, sliding, share.bucket.entry.at)
        if share.number > self._reacted:
            self._reacted = self._number
            self.margin = min(self.margin + amount / 2, _MARGIN * self.capacity)
        for model in () if said else (self.bucket, self.sliding):
            model.advance(now)
            model.correct(min(0.0, amount / 2 - model.level))

    def _count(self, share: Share, remaining: float) -> None:
        """How the server counts shows as long as little was gained besides.

        What is under way may or may not have been counted yet; until that is little beside the whole, it is taken to
        cost what was expected.
        """
        gained = self.capacity / self.bucket.span * (share.bucket.entry.at - self._began)
        asked = share.total - self._refunded
        if gained < _LITTLE * asked:
            charged = self._level_then - remaining + gained
            unsure = self._asked - share.total + share.asked
            self.ratio = min(max((charged + unsure) / (asked + unsure), _LEAST_RATIO), _MOST_RATIO)

    def _learn(self, remaining: float, reset: float | None, now: float) -> None:
        if reset is not None:
            self.bucket.learn(remaining, reset)
            self.sliding.learn(remaining, reset)
            self.full_at = now + reset
