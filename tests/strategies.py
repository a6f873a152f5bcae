"""Hypothesis' strategies and settings that several tests share."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st

Test = TypeVar("Test", bound=Callable[..., None])


def examples(most: int, **more: Any) -> Callable[[Test], Test]:
    """Decorate a search: a few examples, always the same ones; many others with `pytest -m long`.

    Args:
        most: How many examples there are otherwise.
        more: Other settings of Hypothesis.
    """
    if settings.get_current_profile_name() != "project":
        most = settings().max_examples
    else:  # a smaller example of the same failure may take minutes
        more["phases"] = set(Phase) - {Phase.shrink, Phase.explain}

    def decorate(test: Test) -> Test:
        searched: Any = settings(max_examples=most, **more)(test)
        return pytest.mark.search(searched)  # type: ignore[no-any-return]

    return decorate


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=4,
)


@st.composite
def mutated(draw: st.DrawFn, value: Any, most: int = 2) -> Any:
    """Draw JSON like a value, with a part or more replaced, left out, repeated or added."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, most))):
        value = _mutated_once(draw, value)
    return value


def _mutated_once(draw: st.DrawFn, value: Any) -> Any:
    if type(value) not in {dict, list} or not value or draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    part: Any = draw(
        st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value)))
    )
    change = draw(st.sampled_from(["within", "within", "within", "replace", "drop", "repeat"]))
    if change == "drop":
        del value[part]
    elif change == "repeat" and isinstance(value, list):
        value.append(copy.deepcopy(value[part]))
    elif change == "repeat":
        value[draw(st.text(max_size=8))] = value[part]
    else:
        value[part] = draw(JSON) if change == "replace" else _mutated_once(draw, value[part])
    return value
