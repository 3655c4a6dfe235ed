"""Databases and datasets give the same tables as the returns that they hold."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from census_examples import two_councils

from pilot_eval.app.cli import main
from pilot_eval.errors import DataError
from pilot_eval.records.datasets import add_to_dataset
from pilot_eval.records.read import read_census
from pilot_eval.records.schema import ORIGIN, CensusTables, frames_of
from pilot_eval.records.validation import validate_census
from pilot_eval.records.writers import write_census

SERVER_START = 30  # seconds


def content(tables: CensusTables) -> dict[str, list]:
    """Give every table's rows in an order of their own, without where they were read."""
    return {
        name: sorted(map(str, frame.drop(columns=list(ORIGIN)).astype("str").to_numpy().tolist()))
        for name, frame in frames_of(tables).items()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Parquet folders of two councils, and the tables that they hold."""
    place = tmp_path_factory.mktemp("returns")
    write_census(two_councils(), place, format="parquet", years=[2014])
    return place


@pytest.fixture(scope="module")
def modules(folder) -> dict[str, pd.DataFrame]:
    """Each module of all returns, with the columns that tell them apart."""
    found: dict[str, list[pd.DataFrame]] = {}
    for place in sorted(folder.iterdir()):
        lea, year = place.name.split("_")
        for path in sorted(place.glob("*.parquet")):
            frame = pd.read_parquet(path).assign(LEA=lea, Year=year)
            found.setdefault(path.stem, []).append(frame)
    return {name: pd.concat(frames, ignore_index=True) for name, frames in found.items()}


def fill(url: str, modules: dict[str, pd.DataFrame]) -> str:
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="the extra `sql` is not installed")
    engine = sqlalchemy.create_engine(url)
    for name, frame in modules.items():
        dates = [column for column in frame if column.endswith(("Date", "date"))]
        typed = frame.assign(**{name: pd.to_datetime(frame[name]).dt.date for name in dates})
        typed.to_sql(name.lower(), engine, index=False)
    engine.dispose()
    return url


def test_sqlite_gives_what_the_returns_give(folder, modules, tmp_path):
    mixed = {  # rows of all returns by turns
        name: frame.iloc[frame.groupby("LEA").cumcount().argsort(kind="stable")]
        for name, frame in modules.items()
    }
    url = fill(f"sqlite:///{tmp_path / 'returns.db'}", mixed)
    assert content(read_census([url])) == content(read_census([folder]))


def test_rows_of_a_return_without_a_header_are_refused(modules, tmp_path):
    modules = modules | {"Header": modules["Header"].iloc[:1]}
    url = fill(f"sqlite:///{tmp_path / 'returns.db'}", modules)
    with pytest.raises(DataError, match="must belong to a return that is in Header"):
        read_census([url])


@pytest.fixture
def server():
    """Start a PostgreSQL server that listens on a socket in a folder of its own."""
    initdb, run = shutil.which("initdb"), shutil.which("pg_ctl")
    if not initdb or not run:
        pytest.skip("no PostgreSQL server is installed")
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed")
    place = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    how: dict[str, object] = {"check": True, "capture_output": True, "timeout": SERVER_START}
    if os.geteuid() == 0:  # the server refuses to run as root
        if "postgres" not in {entry.pw_name for entry in pwd.getpwall()}:
            pytest.skip("the server cannot be run as root, and there is no user postgres")
        shutil.chown(place, "postgres")
        how["user"] = "postgres"
    data = place / "data"
    try:
        subprocess.run([initdb, "-D", data, "-A", "trust", "-U", "analyst", "-N"], cwd="/", **how)
        options = f"-c listen_addresses='' -c unix_socket_directories={place} -c fsync=off"
        log = ["-l", place / "log", "-o", options, "-w"]
        subprocess.run([run, "-D", data, *log, "start"], cwd="/", **how)
        yield f"postgresql+psycopg://analyst@/postgres?host={place}"
    finally:
        stop = [run, "-D", data, "-m", "immediate", "stop"]
        subprocess.run(stop, cwd="/", **(how | {"check": False}))
        shutil.rmtree(place, ignore_errors=True)


def test_postgresql_gives_what_the_returns_give(folder, modules, server):
    url = fill(server, modules)
    assert content(read_census([url])) == content(read_census([folder]))


def test_a_database_that_cannot_be_read_is_refused_without_its_address(tmp_path, capsys):
    pytest.importorskip("sqlalchemy", reason="the extra `sql` is not installed")
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    with pytest.raises(DataError, match="FileNotFoundError"):
        read_census([empty])
    (tmp_path / "empty.db").touch()
    with pytest.raises(DataError, match="must hold a table Header"):
        read_census([empty])
    secret = "postgresql+nodriver://me:Zmarkerz@nowhere/none"
    out = tmp_path / "out"
    assert main(["census", secret, "--data-cut", "2014-03-31", "--out", str(out)]) != 0
    said = capsys.readouterr()
    assert "the database" in said.err
    assert "Zmarkerz" not in said.err + said.out


def test_one_year_of_a_dataset_is_replaced_without_the_rest(folder, tmp_path):
    dataset = tmp_path / "dataset"
    for place in folder.iterdir():
        lea, year = place.name.split("_")
        add_to_dataset(place, dataset, lea=lea, year=int(year))
    assert content(read_census([dataset])) == content(read_census([folder]))
    place = sorted(folder.iterdir())[0]
    lea, year = place.name.split("_")
    fewer = tmp_path / place.name
    shutil.copytree(place, fewer)
    plans = pq.read_table(fewer / "ChildProtectionPlans.parquet")
    pq.write_table(plans.slice(0, 0), fewer / "ChildProtectionPlans.parquet")
    before = {path: path.stat().st_mtime_ns for path in dataset.rglob("*.parquet")}
    add_to_dataset(fewer, dataset, lea=lea, year=int(year))
    moved = {p for p in before if p.stat().st_mtime_ns != before[p]}
    assert {f"{p.parent.parent.name}" for p in moved} == {f"LEA={lea}"}
    one, other = read_census([dataset]), read_census([folder])
    gone = set(content(other)["plans"]) - set(content(one)["plans"])
    assert len(gone) == plans.num_rows
    assert content(one)["referrals"] == content(other)["referrals"]


SSD = {
    "Header": "Collection,LEA,Year\nCIN,204,2023\nCIN,204,2024\n",
    "ssd_person": (
        "pers_person_id,pers_sex,pers_ethnicity,pers_dob,pers_expected_dob,pers_death_date\n"
        "P1,F,WBRI,2015-01-02 00:00:00,,\nP2,M,BAFR,2012-03-04,,\n"
    ),
    "ssd_disability": "disa_person_id,disa_disability_code\nP1,MOB\nP1,LD\nP2,NONE\n",
    "ssd_cin_episodes": (
        "cine_referral_id,cine_person_id,cine_referral_date,cine_cin_primary_need_code,"
        "cine_referral_source_code,cine_referral_nfa,cine_close_reason,cine_close_date\n"
        "R1,P1,2022-05-03,N1,1A,N,RC7,2023-06-01\nR2,P2,2023-05-08,N4,3A,N,,\n"
        "R3,P2,2019-05-08,N4,3A,N,RC1,2020-01-01\n"
    ),
    "ssd_cin_assessments": (
        "cina_assessment_id,cina_person_id,cina_referral_id,cina_assessment_start_date,"
        "cina_assessment_auth_date\nA1,P1,R1,2022-05-04,2022-06-01\nA2,P2,R2,2023-05-09,\n"
    ),
    "ssd_assessment_factors": (
        'cinf_assessment_id,cinf_assessment_factors_json\nA1,"[""18A"", ""21""]"\n'
    ),
    "ssd_s47_enquiry": (
        "s47e_s47_enquiry_id,s47e_referral_id,s47e_person_id,s47e_s47_start_date,"
        "s47e_s47_end_date\nS1,R1,P1,2022-06-06,2022-06-20\nS2,R2,P2,2023-05-10,2023-05-20\n"
    ),
    "ssd_initial_cp_conference": (
        "icpc_s47_enquiry_id,icpc_person_id,icpc_referral_id,icpc_icpc_target_date,"
        "icpc_icpc_date\nS1,P1,R1,2022-06-24,2022-06-20\n,P2,R2,,2023-07-03\n"
    ),
    "ssd_cp_plans": (
        "cppl_cp_plan_id,cppl_referral_id,cppl_person_id,cppl_cp_plan_start_date,"
        "cppl_cp_plan_end_date,cppl_cp_plan_initial_category,cppl_cp_plan_latest_category\n"
        "C1,R1,P1,2022-06-20,2023-05-31,NEG,EMO\n"
    ),
    "ssd_cp_reviews": (
        "cppr_cp_plan_id,cppr_person_id,cppr_cp_review_date\nC1,P1,2022-09-14\nC1,P1,2023-05-01\n"
    ),
}


@pytest.fixture
def safeguarding(tmp_path) -> Path:
    place = tmp_path / "ssd"
    place.mkdir()
    for name, text in SSD.items():
        (place / f"{name}.csv").write_text(text, encoding="utf-8")
    return place


def test_the_safeguarding_dataset_is_read_as_its_yearly_returns(safeguarding):
    tables = read_census([safeguarding], rules=True)
    by_year = tables.referrals.groupby("census_year")["referral_date"].apply(list)
    days = {year: [str(day.date()) for day in found] for year, found in by_year.items()}
    assert days == {2023: ["2022-05-03"], 2024: ["2022-05-03", "2023-05-08"]}
    # As it stood on 31 March 2023: open, one review.
    first = tables.referrals.query("census_year == 2023")
    assert first[["closure_date", "closure_reason"]].isna().all(axis=None)
    assert tables.plans.query("census_year == 2023")["plan_end_date"].isna().all()
    assert tables.reviews.groupby("census_year").size().to_dict() == {2023: 1, 2024: 2}
    assert set(tables.issues.query("source_file == '204_2023'")["rule"]) >= {"8869"}
    accepted = validate_census(tables, data_cut="2024-03-31").accepted
    assert (len(accepted.children), len(accepted.referrals)) == (2, 2)
    assert accepted.children.set_index("child_id")["disabled"].to_dict() == {
        "P1": "yes",
        "P2": "no",
    }
    conferences = accepted.conferences["icpc_date"].dt.strftime("%Y-%m-%d").tolist()
    assert sorted(conferences) == ["2022-06-20", "2023-07-03"]
    needless = accepted.section47s.set_index("child_id")["icpc_not_required"].to_dict()
    assert needless == {"P1": "no", "P2": "yes"}


def test_the_safeguarding_dataset_in_a_database(safeguarding, tmp_path):
    frames = {path.stem: pd.read_csv(path, dtype="str") for path in safeguarding.iterdir()}
    url = fill(f"sqlite:///{tmp_path / 'ssd.db'}", frames)
    assert content(read_census([url])) == content(read_census([safeguarding]))


def test_a_safeguarding_dataset_without_its_header_is_refused(safeguarding):
    (safeguarding / "Header.csv").unlink()
    with pytest.raises(DataError, match=r"ssd/Header.csv. must be there"):
        read_census([safeguarding])


@pytest.mark.parametrize("column", ["cine_referral_date", "cina_assessment_auth_date", "pers_sex"])
def test_no_value_of_a_dataset_is_in_what_is_found(safeguarding, column):
    """Markers in place of dates and codes: they are set aside or blanked, and never shown."""
    for path in safeguarding.glob("ssd_*.csv"):
        frame = pd.read_csv(path, dtype="str", keep_default_na=False)
        if column in frame:
            frame.loc[0, column] = "Zmarkerz"
        frame.to_csv(path, index=False)
    tables = read_census([safeguarding], rules=True)
    issues = validate_census(tables, data_cut="2024-03-31").issues
    assert issues["rule"].isin(["unparsable_date", "unknown_code"]).any()
    assert "Zmarkerz" not in issues.to_csv()
