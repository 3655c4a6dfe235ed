"""Councils under one management, which a comparison counts as one unit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from itertools import combinations
from typing import Any

from pydantic import Field, model_validator

from pilot_eval.plan_settings import PlanPeriod, Section, Words
from pilot_eval.reference.pilot_facts import PartialDate
from pilot_eval.reference.plan_periods import first_day, last_day, period_days


class Cluster(Section):
    """Councils under one management: one unit in every comparison of its time.

    Without `requirements` it is one for every requirement; `began` and `ended` are as precise as
    their source, and empty where they are not known. A list of councils is a cluster of any time.
    """

    councils: tuple[Words, ...] = Field(strict=False, min_length=1)
    requirements: tuple[str, ...] = Field(strict=False, default=())
    began: PartialDate = ""
    ended: PartialDate = ""

    @model_validator(mode="before")
    @classmethod
    def _read_list(cls, given: Any) -> Any:
        return {"councils": given} if isinstance(given, (list, tuple)) else given

    @model_validator(mode="after")
    def _in_order(self) -> Cluster:
        if self.began and self.ended and first_day(self.began) > last_day(self.ended):
            raise ValueError("ended lies before began")
        return self

    def is_one(self, requirement: str | None, first: date, last: date) -> bool:
        """Whether it was one management for a requirement at some time between two days."""
        asked = not self.requirements or requirement in (None, *self.requirements)
        began = not self.began or first_day(self.began) <= last
        return asked and began and (not self.ended or last_day(self.ended) >= first)

    def meets(self, other: Cluster) -> bool:
        """Whether another cluster holds one of its councils for the same requirement and time."""
        both = not self.requirements or not other.requirements
        both = both or not set(self.requirements).isdisjoint(other.requirements)
        first = first_day(self.began) if self.began else date.min
        last = last_day(self.ended) if self.ended else date.max
        shared = not set(self.councils).isdisjoint(other.councils)
        return shared and both and other.is_one(None, first, last)


def find_clusters(
    clusters: Mapping[str, Cluster], requirement: str | None, periods: Sequence[PlanPeriod]
) -> dict[str, str]:
    """Find the clusters of a comparison.

    Parameters
    ----------
    clusters : mapping of str to Cluster
        The plan's.
    requirement : str, optional
        From which the outcome frees; without one every cluster is asked.
    periods : sequence
        Periods after the start; without any, clusters of every time.

    Returns
    -------
    dict of str to str
        Name of a council -> its cluster; councils that stand alone are not in it.
    """
    days = [period_days(period) for period in periods] or [(date.min, date.max)]
    first, last = min(pair[0] for pair in days), max(pair[1] for pair in days)
    return {
        council: name
        for name, cluster in clusters.items()
        if cluster.is_one(requirement, first, last)
        for council in cluster.councils
    }


def find_cluster_faults(clusters: Mapping[str, Cluster], known: Collection[str]) -> Iterator[str]:
    """Find councils of two clusters at once, and requirements that nobody knows.

    Parameters
    ----------
    clusters : mapping of str to Cluster
    known : collection of str
        Requirements of outcomes and of the pilot's facts.

    Yields
    ------
    str
    """
    for (one, held), (other, more) in combinations(clusters.items(), 2):
        if held.meets(more):
            yield f"clusters {one} and {other} hold the same council at the same time"
    for name, cluster in clusters.items():
        if len(set(cluster.councils)) < len(cluster.councils):
            yield f"clusters.{name} names a council twice"
        for key in cluster.requirements:
            if key not in known:
                yield f"clusters.{name}: no outcome or fact has the requirement {key}"
