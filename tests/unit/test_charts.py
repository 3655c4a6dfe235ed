"""Every chart of the package, found by what its functions return: readable whatever is drawn.

A chart drawn by a new function is tested unnamed, as long as the names of the function's
parameters are those of `MATERIAL`.
"""

import importlib
import inspect
import io
import locale
import pkgutil
import re
import struct
from contextlib import contextmanager, suppress
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as LiveFigure
from matplotlib.text import Text
from project_folder import ROOT

import pilot_eval as pe
from pilot_eval import run_cache
from pilot_eval.frames.frame_results import EffectEstimates
from pilot_eval.house_style import DOTS_PER_INCH, WIDTH, canvas, save_canvas
from pilot_eval.lab import two_waves
from pilot_eval.lab.validity_section import read_table
from pilot_eval.reporting.answers_file import AnswersFile
from pilot_eval.reporting.council import plan_for_council
from pilot_eval.reporting.display import Figure
from pilot_eval.reporting.figures import label_ends

STYLE = (ROOT / "src/pilot_eval/reporting/templates/style.css").read_text(encoding="utf-8")
ROOT_PIXELS = 16
SMALLEST_LETTER = {"390 px": 7.5, "1280 px": 7.5, "print": 6.5}
"""In pixels on a screen and in points on paper: a letter's size, not the height of its capitals."""
HOSTILE = {
    "font.size": 30,
    "font.family": "monospace",
    "text.usetex": True,
    "lines.linewidth": 9,
    "savefig.dpi": 20,
    "savefig.facecolor": "red",
    "axes.grid": True,
    "figure.dpi": 30,
    "axes.formatter.use_locale": True,
    "axes.unicode_minus": False,
    "svg.fonttype": "path",
}
STEPS = np.arange(24)


def find_charts():
    """Every public function or method of the package that says it returns a figure to look at."""
    found = {}
    for module in pkgutil.walk_packages(pe.__path__, "pilot_eval."):
        if "shipped" in module.name or module.name.endswith("__main__"):
            continue
        names = vars(importlib.import_module(module.name))
        owners = [names, *(vars(item) for item in names.values() if inspect.isclass(item))]
        for name, item in ((name, item) for owner in owners for name, item in owner.items()):
            if inspect.isfunction(item) and not name.startswith("_"):
                returned = str(item.__annotations__.get("return"))
                if "Figure" in re.findall(r"\w+", returned):
                    found[f"{item.__module__}.{item.__qualname__}"] = item
    return found


CHARTS = find_charts()


@pytest.fixture(scope="module")
def material():
    """What a chart can be drawn from, by parameter; dotted names are of one function only."""
    plan = pe.load_plan()
    table = pe.load_published()
    panel = pe.build_panel(table, plan)
    scenario, outcome = plan.family.primary_scenario, plan.family.primary_outcomes[-1]
    design = pe.build_design(plan, panel, scenario=scenario, outcome=outcome)
    evidence = pe.evaluate(plan, scenarios=scenario, outcomes=plan.family.primary_outcomes)
    ends = {"few_conf_low": STEPS - 20, "few_conf_high": STEPS + 5}
    estimates = EffectEstimates(
        estimator="Event study",
        table=pd.DataFrame({"term": STEPS - 9, "estimate": STEPS / 9} | ends),
        few_treated=(),
        std_error_kind="none",
    )
    names = [plan.names[code] for code in design.treated]
    numbers = {"estimate_low": STEPS - 9, "estimate_high": STEPS - 8, "conf_low": STEPS - 20}
    numbers |= {"conf_high": STEPS, "scenario": np.resize([*plan.scenarios], len(STEPS))}
    looks = {"months_after": STEPS + 1, "boundary": 9 - STEPS / 4, "z": STEPS / 12}
    looks |= {"alarm": STEPS > 22, "estimate": STEPS / 10, "p_anytime": 0.5}
    curves = {"clock": "icpc", "method": "sharp", "day": STEPS, "estimate": STEPS / 120}
    curves |= {"treated_after": STEPS / 24, "counterfactual": STEPS / 30}
    runs = {"scenario": scenario, "outcome": outcome, "time": np.arange(-2, 11), "p_value": 0.5}
    runs |= {"year": np.arange(2010, 2023), "n_treated": np.repeat([3, 4], [1, 12]), "n_units": 3}
    runs |= {"n_comparators": 130, "n_gaps": 10, "estimate_low": -3, "estimate_high": -2}
    return {
        "plan": plan,
        "runs": pd.DataFrame(runs | {"conf_low": -20, "conf_high": 9}),
        "panel": panel,
        "design": design,
        "table": table,
        "evidence": evidence,
        "scenario": scenario,
        "outcome": outcome,
        "answers": AnswersFile.model_validate_json(
            (ROOT / "reports/published/answers.json").read_text(encoding="utf-8")
        ),
        "curve": pd.DataFrame(numbers),
        "curves": pd.DataFrame(curves | {"conf_low": -0.1, "conf_high": 0.1}),
        "looks": pd.DataFrame(looks),
        "waves": two_waves.simulate_two_waves(effect=5.0, ramp_months=12, seed=1),
        "draws": 199,
        "seed": 1,
        "alpha": 0.05,
        "clock": "icpc",
        "title": "What the chart shows",
        "label": "Simulated.",
        "indicator": "repeat_plan_pct",
        "year": 2012,
        "years": range(2010, 2019),
        "council": names[0],
        "councils": tuple(names),
        "marked": design.treated,
        "EvidenceViews.self": evidence,
        "EffectEstimates.self": estimates,
        "plot_council.plan": plan_for_council(plan, names[0]),
        "plot_grid.table": read_table(ROOT / "docs/validity/grid.csv"),
        "plot_intervals.frame": evidence.effects,
        "plot_intervals.label": "council_name",
        "plot_intervals.panel": "outcome",
        "plot_intervals.columns": ("effect_low", "effect_high", "conf_low", "conf_high"),
    }


def draw(name, material):
    """Draw a chart anew; where nothing is to be shown there is none, for no material here."""
    function = CHARTS[name]
    arguments = {}
    for key, parameter in inspect.signature(function).parameters.items():
        owner = function.__qualname__.split(".")[0]
        if f"{owner}.{key}" in material:
            arguments[key] = material[f"{owner}.{key}"]
        elif parameter.default is inspect.Parameter.empty:
            assert key in material, f"{name}: add `{owner}.{key}` to `material`"
            arguments[key] = material[key]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(run_cache.VARIABLE, raising=False)  # what is kept was drawn by settings of old
        chart = function(**arguments)
    assert isinstance(chart, Figure | LiveFigure), chart
    return chart


def picture_of(chart):
    """Give the bytes of a chart; of one that is not drawn yet, as a notebook draws it."""
    if isinstance(chart, Figure):
        return chart.picture
    png = io.BytesIO()
    chart.savefig(png, dpi=DOTS_PER_INCH, bbox_inches="tight", facecolor=chart.get_facecolor())
    return png.getvalue()


@pytest.fixture
def drawn(monkeypatch):
    """Every text that was drawn, with its figure; what an axis leaves out is not drawn."""
    kept, draw_text = [], Text.draw

    def keep(self, renderer):
        if self.get_visible() and self.get_text():
            kept.append(self)
        draw_text(self, renderer)

    monkeypatch.setattr(Text, "draw", keep)
    return kept


@pytest.mark.parametrize("name", CHARTS)
def test_no_text_is_cut_off_or_lies_on_another_or_is_too_small(name, material, drawn):
    picture_of(draw(name, material))
    figure = drawn[-1].get_figure()
    drawn.clear()
    figure.draw_without_rendering()
    page = figure.get_tightbbox().padded(0.08).transformed(figure.dpi_scale_trans)
    boxes = {text: text.get_window_extent() for text in drawn}
    assert [text.get_text() for text, box in boxes.items() if not inside(page, box)] == []
    over = [
        (one.get_text(), other.get_text())
        for one, other in combinations(boxes, 2)
        if shrink(boxes[one]).overlaps(shrink(boxes[other]))
    ]
    assert over == []
    if name.startswith("pilot_eval.reporting."):
        smallest = min(text.get_fontsize() for text in boxes)
        for medium, wide in shown_widths().items():
            shown = smallest / 72 * DOTS_PER_INCH * wide / (page.width / figure.dpi * DOTS_PER_INCH)
            assert shown >= SMALLEST_LETTER[medium], medium


def shown_widths():
    """How wide a page shows a picture: pixels on a phone and a desktop, points in print."""
    read = {key: float(re.search(pattern, STYLE)[1]) for key, pattern in MEASURES.items()}
    return {
        "390 px": max(390 - 2 * ROOT_PIXELS, read["least"] * ROOT_PIXELS),
        "1280 px": min(WIDTH * DOTS_PER_INCH, (read["page"] - 2) * ROOT_PIXELS),
        "print": (210 - 2 * read["margin"]) / 25.4 * 72,
    }


MEASURES = {
    "least": r"\.chart img { min-width: (\d+)rem",
    "page": r"\.wrap { max-width: (\d+)rem",
    "margin": r"@page { size: A4; margin: \d+mm (\d+)mm",
}


def inside(page, box):
    return bool((page.min <= box.min).all() and (page.max >= box.max).all())


def shrink(box):
    return box.padded(-min(2, box.width / 3, box.height / 3))


@contextmanager
def with_decimal_commas():
    """Take a locale of this machine that writes 0,5, if it has one."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "nl_NL.UTF-8", "German_Germany", "de_DE"):
            with suppress(locale.Error):
                locale.setlocale(locale.LC_ALL, name)
                break
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_looks_the_same_whatever_the_readers_settings(name, material):
    first = draw(name, material)
    plain = picture_of(first)
    with plt.style.context(["dark_background", HOSTILE]), with_decimal_commas():
        assert picture_of(draw(name, material)) == plain
    if isinstance(first, Figure):
        width, height = struct.unpack(">II", first.png[16:24])
        assert 600 < width < 1.12 * WIDTH * DOTS_PER_INCH
        assert height > 200
        assert len(first.png) < 200_000
        assert b"<text" in plain.svg
        alt = re.search(r'alt="([^"]+)"', first._repr_html_())[1]
        assert len(alt) > 40
        assert "No description" not in alt
        assert not first.numbers.empty


def test_labels_are_text_not_formulas():
    with canvas(height=2) as (figure, axes):
        axes.set_title("costs $5_000 and $6^2 *or* [more]")
        svg = save_canvas(figure).svg.decode()
    assert "costs $5_000 and $6^2 *or* [more]" in svg


@pytest.mark.parametrize("seed", range(5))
def test_labels_of_lines_that_end_at_different_times_do_not_overlap(seed):
    rng = np.random.default_rng(seed)
    with canvas(height=5) as (figure, axes):
        axes.set(xlim=(2014, 2024), ylim=(0, 100))
        ends = zip(rng.integers(2019, 2023, 8), rng.uniform(40, 60, 8), strict=True)
        label_ends(axes, [(x, y, "Kensington and Chelsea", "black") for x, y in ends])
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_the_label_of_a_line_of_one_point_is_beside_it():
    """Around a single point matplotlib's own limits are centuries apart."""
    with canvas(height=2) as (figure, axes):
        axes.plot([2012, 2013], [np.nan, 0.0])
        label_ends(axes, [(2013, 0.0, "mean", "grey")])
        assert 2013 < axes.texts[0].get_position()[0] < 2013.1
        assert save_canvas(figure).png
