"""`pilot-eval census` and `run --census`: from invented returns to evidence, and what is refused.

The returns carry markers in place of children's identifiers and codes, and two dates that occur
nowhere else: none of them may be in what a run writes, prints or raises.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import zipfile
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from project_folder import ROOT, shrink_pilot

from pilot_eval.app.cli import main
from pilot_eval.app.open_records import build_settings, open_records
from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import SimulationSettings
from pilot_eval.plan import load_plan
from pilot_eval.records.parts import build_coverage, find_missing_returns, list_parts
from pilot_eval.records.read import read_census
from pilot_eval.records.schema import ORIGIN
from pilot_eval.records.tables_out import describe_tables, write_tables
from pilot_eval.records.writers import write_census
from pilot_eval.reference.facts import council_names
from pilot_eval.reporting import pdf

MARK = "Zmarkerz"
BIRTH, EVENT = "1997-07-17", "2011-07-16"  # planted: a Thursday, a Saturday
FREED = ("E10000006", "E08000011", "E09000033", "E09000012")  # granted in March 2011
OTHERS = ("E08000020", "E10000017", "E08000019", "E08000003", "E08000005", "E08000007")
CUT = "2013-03-31"


@pytest.fixture(scope="module")
def returns(tmp_path_factory):
    """Ten councils, four years, with the dates of local extracts."""
    folder = tmp_path_factory.mktemp("nation") / "returns"
    settings = SimulationSettings(
        councils=FREED + OTHERS, first_year=2010, last_year=2013, scale=0.05
    )
    tables, _ = simulate_census(settings, seed=7)
    write_census(tables, folder, format="xml", years=range(2010, 2014))
    for path in [*folder.glob("*.xml"), *folder.glob("*.csv")]:
        path.write_text(mark(path.read_text(encoding="utf-8")), encoding="utf-8")
    return folder


def mark(text: str) -> str:
    """Put markers into every field that is not a date, and two dates into one child."""
    text = text.replace("SIM0", f"{MARK}0")
    text = re.sub(r"<PersonBirthDate>[^<]+", f"<PersonBirthDate>{BIRTH}", text)
    text = text.replace("</LAchildID>", f"</LAchildID><UPN>{MARK}U</UPN><Name>{MARK}N</Name>")
    for tag in ("Ethnicity", "PrimaryNeedCode", "ReferralSource", "InitialCategoryOfAbuse"):
        text = re.sub(rf"<{tag}>[^<]+", f"<{tag}>{MARK}{tag}", text, count=5)
    return re.sub(r"<CINreferralDate>2011-07-\d\d", f"<CINreferralDate>{EVENT}", text, count=1)


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def census(folder, out, *more: object, cut: str = CUT) -> int:
    return run("census", folder, "--data-cut", cut, "--out", out, "--jobs", 1, *more)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Few published outcomes: the report's other pages are not of interest here."""
    return shrink_pilot(tmp_path_factory.mktemp("pilots") / "small")


def leaks(said: str, *folders) -> list[str]:
    """Name the places that hold a marker: what was said, and every file, unzipped."""
    places = {"said": said.encode()}
    for folder in folders:
        for path in [folder, *folder.rglob("*")]:
            if path.is_file():
                places[path.name] = path.read_bytes()
            if path.is_file() and zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as parts:
                    places |= {f"{path.name}/{name}": parts.read(name) for name in parts.namelist()}
    secret = re.compile(f"{MARK}|{BIRTH}|{EVENT}".encode(), re.IGNORECASE)
    return [name for name, content in places.items() if secret.search(content)]


@pytest.fixture(scope="module")
def finished(returns, tmp_path_factory):
    """One good run with both local extracts, all panels and tables, in two processes."""
    out = tmp_path_factory.mktemp("census") / "out"
    extracts = ("--strategy-discussions", returns / "strategy_discussions.csv")
    cut = ("--panel", "quarter", "--panel", "year", "--by", "need", "--by", "age")
    more = (*extracts, "--core-groups", returns / "core_groups.csv", "--jobs", 2)
    code = census(returns, out, *more, *cut, "--tables", "parquet")
    return code, out


def test_a_good_run_writes_everything_and_nothing_of_a_child(finished, returns):
    code, out = finished
    assert os.name == "nt" or out.stat().st_mode & 0o077 == 0  # results by council are private
    assert len(leaks("", returns)) == len(list(returns.iterdir()))  # the markers are there
    assert code == 0
    names = {path.name for path in out.rglob("*") if path.is_file()}
    names |= {path.name for path in out.with_name("out-release").rglob("*") if path.is_file()}
    assert {"issues.csv", "summary.csv", "set_aside.csv", "panel.csv", "evidence.csv"} <= names
    written = [path for path in out.iterdir() if path.name != "tables"]  # row-level, asked for
    assert [name for path in written for name in leaks("", path)] == []
    assert leaks("", out.with_name("out-release")) == []
    books = {path.stem for path in (out / "send_back").iterdir()}
    assert books == set(FREED + OTHERS)
    assert not list(out.with_name("out-release").rglob("*E0*.xlsx"))
    rules = read_table(out, "rules.csv")
    assert {"1540", "8650"} <= set(rules["rule"])
    assert not list(out.with_name("out-release").rglob("rules.csv"))


def read_table(out, name: str) -> pd.DataFrame:
    """Read a table of the run; what was released is a copy."""
    [path] = out.rglob(name)
    for released in out.with_name("out-release").rglob(name):
        assert released.read_bytes() == path.read_bytes()
    return pd.read_csv(path)


def test_the_evidence_of_a_good_run(finished):
    evidence = read_table(finished[1], "evidence.csv")
    assert set(evidence["strand"]) == {"simulated"}
    assert set(evidence["scenario"]) == set(load_plan().open_scenarios)
    found = evidence[evidence["outcome"].eq("ia_restricted_mean_40wd")]
    estimated = found[found["method"].eq("sharp") & found["scenario"].eq("granted_march")]
    assert estimated[["estimate", "conf_low", "conf_high"]].notna().all(axis=None)


def test_every_record_of_the_returns_is_accounted_for(finished, returns):
    summary = read_table(finished[1], "summary.csv")
    whole = summary[["superseded", "set_aside", "merged", "accepted"]].sum(axis=1)
    assert (summary["records"] == whole).all()
    texts = [path.read_text(encoding="utf-8") for path in returns.glob("*.xml")]
    written = sum(text.count("<CINreferralDate>") for text in texts)
    assert summary.query("table == 'referrals'")["records"].sum() == written


def test_local_extracts_reach_the_panel(finished):
    panel = read_table(finished[1], "panel.csv")
    groups = panel[panel["indicator"].str.startswith("core_group_within")]
    assert groups["denominator"].sum() > 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--data-cut", "2013-13-31"], "`data_cut` must be empty or a date"),
        (["--data-cut", "31.3.2013"], "`data_cut` must be empty or a date"),
        (["--data-cut", ""], "`data_cut` must be a date after 2009-04-01 and at most 2013-03-31"),
        (["--data-cut", "2005-03-31"], "`data_cut` must be a date after 2009-04-01"),
        (["--data-cut", "2014-03-31"], "at most 2013-03-31, the years of the returns"),
        (["--scenario", "grantd"], "Did you mean granted?"),
        (["--mapping", "nowhere.toml"], "`nowhere.toml` must be a readable TOML file"),
        (["--mapping", str(ROOT / "pyproject.toml")], "must hold only about, returns, modules"),
        (["--local", "nowhere.toml"], "`local indicators` must be a TOML file"),
        (["--core-groups", "nowhere.csv"], "nowhere.csv"),
        (["--format", "parquet"], "`paths` must hold XML returns"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_and_nothing_is_written(
    returns, tmp_path, capsys, more, said
):
    one = tmp_path / "one"
    one.mkdir()
    for path in sorted(returns.glob("909_*.xml")):
        shutil.copy(path, one)
    before = sorted(tmp_path.rglob("*"))
    assert census(one, tmp_path / "out", *more) == 2
    heard = capsys.readouterr()
    assert said in heard.err
    assert "Traceback" not in heard.err
    assert sorted(tmp_path.rglob("*")) == before
    assert leaks(heard.out + heard.err) == []


@pytest.mark.parametrize("place", ["nowhere", "empty"])
def test_a_wrong_folder_is_refused(tmp_path, capsys, place):
    (tmp_path / "empty").mkdir()
    assert census(tmp_path / place, tmp_path / "out") == 2
    assert "must " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_an_earlier_result_is_not_written_over(returns, tmp_path, capsys):
    for name in ("out", "out-release"):
        (tmp_path / name).mkdir()
        assert census(returns, tmp_path / "out") == 2
        assert "must be a new folder" in capsys.readouterr().err
        (tmp_path / name).rmdir()


BREAKS = {
    "cut short": lambda text: text[: len(text) // 2],
    "a stray tag": lambda text: text.replace("</Section47>", f"<{MARK}>", 1),
    "an entity": lambda text: text.replace("<Message>", f'<!DOCTYPE {MARK} SYSTEM "x"><Message>'),
    "another collection": lambda text: text.replace("<Collection>CIN", f"<Collection>{MARK}"),
    "a long field": lambda text: text.replace(f"{MARK}Ethnicity", MARK * 200, 1),
}


def test_broken_returns_among_good_ones_are_named(returns, tmp_path, capsys):
    folder = tmp_path / "returns"
    shutil.copytree(returns, folder)
    broken = sorted(folder.glob("*.xml"))[:: len(BREAKS)][: len(BREAKS)]
    for path, fault in zip(broken, BREAKS.values(), strict=True):
        path.write_text(fault(path.read_text(encoding="utf-8")), encoding="utf-8")
    out = tmp_path / "out"
    assert census(folder, out, "--fail-on-loss", "0.5") in (0, 3)
    heard = capsys.readouterr()
    for path in broken:
        assert re.search(rf"(NOT USED|NOT READ): `{re.escape(path.name)}, line \d", heard.out), path
    assert leaks(heard.out + heard.err) == []
    assert len(read_table(out, "panel.csv"))  # one council's failure is that council's


def test_dates_that_are_none_are_located_and_the_year_is_counted(returns, tmp_path, capsys):
    """One council, one year: nothing can be estimated, everything is checked and counted."""
    folder = tmp_path / "returns"
    folder.mkdir()
    text = (returns / "909_2012.xml").read_text(encoding="utf-8")
    text = text.replace(f"<CINreferralDate>{EVENT}", f"<CINreferralDate>31/02/2011{MARK}")
    (folder / "909_2012.xml").write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    assert census(folder, out, cut="2012-03-31") == 0
    heard = capsys.readouterr()
    assert "No estimates: `data_cut, first day` must leave records before 2011-03-01" in heard.out
    issues = read_table(out, "issues.csv")
    [bad] = issues[issues["rule"].eq("unparsable_date")].to_dict("records")
    assert (bad["table"], bad["field"]) == ("referrals", "referral_date")
    assert bad["source_file"] == "909_2012.xml"
    assert MARK in text.splitlines()[bad["source_row"] + 2]
    assert leaks(heard.out + heard.err, out, out.with_name("out-release")) == []


def test_one_council_alone_has_no_comparators_and_says_so(returns, tmp_path):
    for path in returns.glob("909_*.xml"):
        shutil.copy(path, tmp_path)
    assert census(tmp_path, tmp_path / "out") == 0
    evidence = read_table(tmp_path / "out", "evidence.csv")
    assert evidence["estimate"].isna().all()
    assert evidence["reason"].str.len().gt(0).all()


def test_simulated_and_real_returns_are_not_mixed(returns, tmp_path, capsys):
    folder = tmp_path / "returns"
    shutil.copytree(returns, folder)
    path = folder / "909_2012.xml"
    text = path.read_text(encoding="utf-8").replace("SIMULATED CHILDREN", "Other software")
    path.write_text(text, encoding="utf-8")
    mapping = tmp_path / "mapping.toml"
    example = ROOT / "src/pilot_eval/records/example_mapping.toml"
    mapping.write_text(example.read_text().replace("invented = true", "invented = false"))
    assert census(folder, tmp_path / "out", "--mapping", mapping) == 2
    assert "simulated" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_records_are_opened_for_a_notebook(returns):
    study = open_records(data_folder=str(returns), data_cut=CUT, scenario="granted_march")
    assert study.truth is None
    assert study.label.startswith("SIMULATED")
    assert study.settings.data_cut == date(2013, 3, 31)
    assert study.settings.first_day == date(2009, 4, 1)
    assert isinstance(study.validation.summary, pd.DataFrame)


def test_windows_end_where_the_longest_horizon_is_followed_up():
    days = {"first_day": date(2009, 4, 1), "data_cut": date(2013, 3, 31)}
    settings = build_settings(load_plan(), **days, convention="end_counts")
    assert [(w.first, w.last) for w in settings.pre] == [
        (date(2009, 4, 1), date(2010, 3, 31)),
        (date(2010, 4, 1), date(2011, 2, 28)),
    ]
    # 140 days before 31 March 2013 is 11 November 2012.
    assert [(w.first, w.last) for w in settings.post] == [
        (date(2011, 4, 1), date(2012, 3, 31)),
        (date(2012, 4, 1), date(2012, 11, 11)),
    ]


def test_run_on_returns_needs_their_last_day(returns, tmp_path, capsys):
    only = ("--only", "04_childrens_records_quality", "--out", tmp_path / "out")
    assert run("run", "--census", returns, *only) == 2
    assert "`data_cut` must be given with a folder of returns" in capsys.readouterr().err
    assert run("run", "--census", tmp_path / "nowhere", "-p", "data_cut", CUT, *only) == 2
    assert "nothing was run" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


NOTEBOOKS = ("04_childrens_records_quality", "05_delay_childrens_records")


def test_a_report_on_a_database_holds_nothing_of_a_child_and_can_be_released(
    returns, small, tmp_path, capfd
):
    url = f"sqlite:///{tmp_path / f'{MARK}password.db'}"
    write_database(returns, url)
    out = tmp_path / "out"
    given = ("-p", "data_cut", CUT, "--out", out)
    only = [word for name in NOTEBOOKS for word in ("--only", name)]
    # Workbooks to send back are held: not of interest.
    run("run", "--pilot", small, "--census", url, *given, *only)
    heard = capfd.readouterr()
    assert "Cumbria: " in heard.out
    assert leaks(heard.out + heard.err, out, out.with_name("out-release")) == []
    for name in NOTEBOOKS:
        page = (out / name).with_suffix(".html").read_text(encoding="utf-8")
        assert "simulated" in page.lower()
    verdicts = pd.read_csv(out.with_name("out-release") / "release_check.csv")
    held = verdicts[verdicts["verdict"] != "pass"]
    assert held["file"].str.startswith("send_back/").all(), held
    assert set(NOTEBOOKS) <= {path.stem for path in out.with_name("out-release").rglob("*")}


def test_a_databases_address_is_never_quoted(tmp_path, capfd):
    given = ("-p", "data_cut", CUT, "--only", NOTEBOOKS[0], "--out", tmp_path / "out")
    url = f"sqlite:///{tmp_path / f'{MARK}nowhere.db'}"
    assert run("run", "-p", f"data_folder={url}", *given) == 2
    assert run("run", "--census", url, *given) == 2
    assert leaks("".join(capfd.readouterr())) == []
    assert not (tmp_path / "out").exists()


def read_code(path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells)


def test_a_broken_return_is_its_councils_alone_in_a_report_too(
    returns, small, tmp_path, capfd, monkeypatch
):
    """Said on the screen, in the losses and on the page; no value is kept; exit code 3."""
    monkeypatch.setattr(pdf, "find_browser", lambda: None)  # paper is another test's
    folder = tmp_path / "returns"
    folder.mkdir()
    for number in (340, 390, 909):
        for path in returns.glob(f"{number}_*.xml"):
            shutil.copy(path, folder)
    path = folder / "909_2012.xml"
    path.write_text(BREAKS["a stray tag"](path.read_text(encoding="utf-8")), encoding="utf-8")
    given = ("--pilot", small, "--census", folder, "-p", "data_cut", CUT, "--only", NOTEBOOKS[0])
    out = tmp_path / "out"
    assert run("run", *given, "--out", out, "--fail-on-loss", "0.9") == 3
    heard = capfd.readouterr()
    [line] = [line for line in heard.out.splitlines() if "NOT USED" in line]
    assert line.startswith("Cumbria: ")
    assert "909_2012.xml, line" in line
    assert "Lost more than --fail-on-loss 0.9: Cumbria" in heard.err
    losses = pd.read_csv(out / "send_back" / "losses.csv").set_index("council")
    assert losses["failed"].notna().tolist() == [name == "Cumbria" for name in losses.index]
    page = (out / f"{NOTEBOOKS[0]}.html").read_text(encoding="utf-8")
    assert "Cumbria, " in page
    assert "909_2012.xml, line" in page
    assert 'data_folder = "returns"' in read_code(out / "notebooks" / f"{NOTEBOOKS[0]}.ipynb")
    assert leaks(heard.out + heard.err, out) == []


def write_database(returns, url: str) -> None:
    """Put returns into a database, a table for each module."""
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="the extra `sql` is not installed")
    engine = sqlalchemy.create_engine(url)
    with tempfile.TemporaryDirectory() as place:
        tables = read_census([returns])
        write_census(tables, place, format="parquet", years=range(2010, 2014))
        for name in {file.stem for file in Path(place).glob("*/*.parquet")}:
            module = pd.concat(map(pd.read_parquet, sorted(Path(place).glob(f"*/{name}.parquet"))))
            module.to_sql(name, engine, index=False)
    engine.dispose()


def test_a_council_with_a_return_missing_is_named_and_left_out(returns, tmp_path, capsys):
    folder = tmp_path / "returns"
    shutil.copytree(returns, folder)
    [lost] = [path for path in folder.glob("*.xml") if is_of(path, "Cumbria", 2012)]
    lost.unlink()
    assert census(folder, tmp_path / "out", "--scenario", "granted_march") == 0
    told = "Left out of every comparison: Cumbria, no return for the year ending March 2012."
    assert told in capsys.readouterr().out
    dropped = read_table(tmp_path / "out", "dropped.csv")
    reasons = dropped.query("council_name == 'Cumbria'")["reason"].unique().tolist()
    assert reasons == ["no return for the year ending March 2012"]
    panel = read_table(tmp_path / "out", "panel.csv").query("council_code == 'E10000006'")
    year = panel["period"].between("2011-04", "2012-03") & panel["indicator"].eq("referral_rate")
    assert year.sum() == 12
    assert set(panel[year]["value_status"]) == {"not_available"}


def is_of(path, council: str, year: int) -> bool:
    [part] = list_parts(path)
    header = part.headers[0]
    return (council_names()[header.council_code], header.year) == (council, year)


def test_parts_hold_whole_councils_and_miss_nothing(returns):
    parts = list_parts(returns)
    assert [part.councils for part in parts] == [(code,) for code in sorted(FREED + OTHERS)]
    assert {header.year for part in parts for header in part.headers} == {2010, 2011, 2012, 2013}
    coverage = build_coverage(parts)
    assert len(coverage) == 4 * len(parts)
    assert find_missing_returns(coverage) == {}
    last = pd.to_datetime(coverage["last_day"]).dt.year
    gone = coverage["council_code"].eq("E08000005") & last.isin([2010, 2013])
    said = "no return for the year ending March 2010, 2013"
    assert find_missing_returns(coverage[~gone]) == {"E08000005": said}


def test_panels_groups_and_tables_of_a_run(finished):
    _, out = finished
    month, quarter, year = (
        pd.read_csv(out / f"panel{name}.csv") for name in ("", "_quarter", "_year")
    )
    for panel in (month, quarter, year):  # as many referrals, however they are cut
        found = panel[panel["indicator"] == "referral_rate"]
        assert (
            found["numerator"].sum()
            == month.query("indicator == 'referral_rate'")["numerator"].sum()
        )
        assert found["denominator"].notna().all()
        assert found["value"].notna().all()
    dictionary = pd.read_csv(out / "data_dictionary.csv")
    summary = pd.read_csv(out / "summary.csv")
    for table, accepted in summary.groupby("table")["accepted"].sum().items():
        kept = pd.read_parquet(out / "tables" / table)
        assert len(kept) == accepted
        assert list(kept) == dictionary.loc[dictionary["table"] == table, "column"].tolist()
    released = out.with_name("out-release")
    assert {path.name for path in released.rglob("*")} >= {"subgroups.csv", "data_dictionary.csv"}
    assert not list(released.rglob("*.parquet"))
    assert not list(released.rglob("panel*"))
    shares = pd.read_csv(released / "subgroups.csv", dtype="str")
    assert set(shares["by"]) == {"need", "age"}
    counts = pd.to_numeric(shares["numerator"], errors="coerce")
    rest = pd.to_numeric(shares["denominator"], errors="coerce") - counts
    threshold = load_plan().disclosure.threshold
    assert not counts.between(1, threshold).any()
    assert not rest.between(1, threshold).any()
    assert (shares["value"] == "c").any()


def test_tables_have_the_same_columns_without_local_extracts(tmp_path):
    settings = SimulationSettings(councils=FREED[:1], first_year=2012, last_year=2012, scale=0.02)
    tables, _ = simulate_census(settings, seed=7)
    write_tables(tables, tmp_path, part="one")
    described = describe_tables().query(
        f"column not in {list(ORIGIN)}"
    )  # of returns, not of a simulation
    columns = described.groupby("table", sort=False)["column"].agg(list).to_dict()
    assert {name: list(pd.read_parquet(tmp_path / name)) for name in columns} == columns


def test_a_used_release_folder_is_refused_before_anything_is_run(returns, tmp_path, capsys):
    kept = tmp_path / "out-release" / "kept.txt"
    kept.parent.mkdir()
    kept.touch()
    given = ("--census", returns, "-p", "data_cut", CUT, "--only", NOTEBOOKS[0])
    assert run("run", *given, "--out", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "`--out` must be a new or empty folder" in said
    assert "out-release" in said
    assert [path.name for path in tmp_path.rglob("*")] == ["out-release", "kept.txt"]
