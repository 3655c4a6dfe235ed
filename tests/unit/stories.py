"""What is told of one pilot alone: its councils, scenarios, outcomes and texts."""

from __future__ import annotations

import re


def list_story(plan) -> list[str]:
    """List the phrases of a pilot, as patterns that match them."""
    scenarios = plan.scenarios.values()
    named = [row.council_name for row in plan.treatment_register]
    named += [council for scenario in scenarios for council in scenario.councils]
    labels = [outcome.label for outcome in plan.outcomes.values()]
    said = [text for scenario in scenarios for text in (scenario.short, scenario.label)]
    texts = [plan.texts.introduction, plan.texts.start_name, plan.texts.register_title, plan.title]
    texts += [limit.text for limit in plan.texts.limits]
    sentences = [part for text in texts for part in re.split(r"(?<=[.!?]) ", text)]
    return [re.escape(words) for words in dict.fromkeys([*named, *labels, *said, *sentences])]
