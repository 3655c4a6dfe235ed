"""The comparison with public tools: its page is its table, and every tool is given the same."""

from __future__ import annotations

import numpy as np
import pytest
from project_folder import ROOT


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import head_to_head

        yield head_to_head


def test_the_page_is_what_the_committed_table_gives(script):
    """Run `python benchmarks/head_to_head.py --page` where this fails."""
    assert script.PAGE.read_text(encoding="utf-8") == script.write_page(script.read_table())


def test_the_table_has_every_call_and_outcome_of_the_script(script):
    table = script.read_table()
    listed = {(name, option) for name, tool in script.TOOLS.items() for option in tool.calls}
    for outcome in script.OUTCOMES:
        own = table[table["outcome"] == outcome]
        assert set(zip(own["tool"], own["option"], strict=True)) == listed


def test_a_test_that_rejects_too_often_is_named(script):
    table = script.read_table()
    table = table[table["option"] == "robust"].assign(sets=100, found=90)
    assert "**30.0 (" in script.write_page(table.assign(false_alarms=30))
    assert "**" not in script._tabulate(script.pool_outcomes(table.assign(false_alarms=5)))


def test_tools_and_ours_answer_the_same_question(script):
    pytest.importorskip("diff_diff")
    import head_to_head_tools

    rng = np.random.default_rng(3)
    world = {
        "y": rng.normal(size=(30, 4)),
        "periods": np.arange(2010, 2014),
        "start": np.array(2012),
        "cases": np.full(30, 80.0),
    }
    frame = head_to_head_tools.make_frame(world, np.arange(5), 2.0)
    calls = {name: tool.calls for name, tool in script.TOOLS.items()}
    ours = calls["pilot-eval"]["CR2"][0](frame)
    bell = "DifferenceInDifferences, hc2_bm clustered by council"
    assert calls["diff-diff"][bell][0](frame) == pytest.approx(ours, abs=1e-8)
    estimates = [
        calls["linearmodels"]["PanelOLS, default"][0](frame)[0],
        calls["statsmodels"]["OLS of changes, HC3 and t"][0](frame)[0],
        calls["diff-diff"]["LWDiD, default (HC1)"][0](frame)[0],
        calls["pilot-eval"]["sharp"][0](frame)[0],
    ]
    assert estimates == pytest.approx([ours[0]] * 4, abs=1e-8)
