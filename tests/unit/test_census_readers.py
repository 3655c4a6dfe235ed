"""Returns in every format give the same tables; what differs between returns does no harm."""

from __future__ import annotations

import re

import pandas as pd
import pyarrow.parquet as pq
import pytest
from census_examples import GATESHEAD, HACKNEY, frame, make_tables, two_councils
from lxml import etree

from pilot_eval.errors import DataError, ParameterError
from pilot_eval.records.local_extracts import add_local_extracts
from pilot_eval.records.mapping import EXAMPLE_MAPPING, read_mapping
from pilot_eval.records.read import read_census
from pilot_eval.records.schema import SCHEMA, CensusTables, frames_of
from pilot_eval.records.validation import validate_census
from pilot_eval.records.writers import write_census

# A return as an analyst might write it by hand, from the description of the collection.
BY_HAND = """<?xml version="1.0" encoding="utf-8"?>
<Message{namespace}>
  <Header>
    <CollectionDetails><Collection>CIN</Collection><Year>{year}</Year>
      <ReferenceDate>{year}-03-31</ReferenceDate></CollectionDetails>
    <Source><SourceLevel>L</SourceLevel><LEA>204</LEA><SoftwareCode>ours</SoftwareCode></Source>
  </Header>
  <Children>
    <!-- a comment -->
    <Child>
      <ChildIdentifiers>
        <LAchildID> K1 </LAchildID><UPN>A123</UPN>
        <PersonBirthDate>2009-08-07</PersonBirthDate>{sex}
      </ChildIdentifiers>
      <ChildCharacteristics>
        <Ethnicity>MOTH</Ethnicity>
        <Disabilities><Disability>NONE</Disability><Disability>HAND</Disability></Disabilities>
      </ChildCharacteristics>
      <CINdetails>
        <CINreferralDate>2013-06-03</CINreferralDate>
        <PrimaryNeedCode>N1</PrimaryNeedCode>
        <ReferralNFA>false</ReferralNFA>
        <Assessments>
          <AssessmentActualStartDate>2013-06-04</AssessmentActualStartDate>
          <AssessmentAuthorisationDate/>
          <FactorsIdentifiedAtAssessment><AssessmentFactors>2B</AssessmentFactors>
            <AssessmentFactors>3A</AssessmentFactors></FactorsIdentifiedAtAssessment>
        </Assessments>
        <CINPlanDates><CINPlanStartDate>2013-07-01</CINPlanStartDate></CINPlanDates>
        <ChildProtectionPlans>
          <CPPstartDate>2013-06-21</CPPstartDate>
          <NumberOfPreviousCPP>2</NumberOfPreviousCPP>
          <Reviews><CPPreviewDate>2013-09-20</CPPreviewDate>
            <CPPreviewDate>2014-03-14</CPPreviewDate></Reviews>
        </ChildProtectionPlans>
      </CINdetails>
    </Child>
    <Child><ChildIdentifiers><LAchildID>K&amp;2</LAchildID></ChildIdentifiers></Child>
  </Children>
</Message>
"""


def comparable(tables: CensusTables) -> dict[str, pd.DataFrame]:
    """Strip origin and put rows and categories in one order."""
    result = {}
    for name, part in frames_of(tables).items():
        plain = part[list(SCHEMA[name])]
        codes = plain.select_dtypes("category").columns
        plain = plain.astype(dict.fromkeys(codes, "str"))
        result[name] = plain.sort_values(list(plain.columns)).reset_index(drop=True)
    return result


def assert_same(one: CensusTables, other: CensusTables) -> None:
    left, right = comparable(one), comparable(other)
    for name in SCHEMA:
        pd.testing.assert_frame_equal(left[name], right[name])


@pytest.mark.parametrize("form", ["xml", "csv", "parquet"])
@pytest.mark.parametrize("kind", ["single", "two-stage"])
def test_tables_survive_writing_and_reading(tmp_path, form, kind):
    tables = two_councils("simulated", kind)
    folder = tmp_path / "returns of é"
    write_census(tables, folder, format=form)
    back = read_census(folder)
    assert_same(back, tables)
    assert back.strand == "simulated"
    assert back.issues.empty
    assert set(back.referrals["source_file"]) == {path.name for path in folder.iterdir()}


def test_the_same_bytes_are_written_twice(tmp_path):
    for place in ("one", "two"):
        for form in ("xml", "csv", "parquet"):
            write_census(two_councils("simulated"), tmp_path / place / form, format=form)
    files = [path for path in (tmp_path / "one").rglob("*") if path.is_file()]
    for path in files:
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes()
    for path in files:
        assert b"SIMULATED CHILDREN" in path.read_bytes() or _is_empty_csv(path)


def _is_empty_csv(path) -> bool:
    """Rows carry the mark; a module without rows names it in its first line."""
    return path.suffix == ".csv" and b"SimulatedData" in path.read_bytes()


@pytest.mark.parametrize(
    ("sex", "meaning"),
    [
        ("<GenderCurrent>2</GenderCurrent>", "female"),
        ("<Sex>M</Sex>", "male"),
        ("<GenderCurrent>0</GenderCurrent>", "unknown"),
        ("", None),
    ],
)
@pytest.mark.parametrize("namespace", ["", ' xmlns="urn:x:cin"'])
def test_a_return_written_by_hand(tmp_path, sex, meaning, namespace):
    path = tmp_path / "hand.xml"
    path.write_text(BY_HAND.format(year=2014, sex=sex, namespace=namespace))
    tables = read_census(path)
    first = tables.children.iloc[0]
    assert (first["child_id"], first["disabled"], first["ethnicity"]) == ("K1", "yes", "MOTH")
    assert first["sex"] == meaning or (meaning is None and pd.isna(first["sex"]))
    assert tables.children["child_id"].tolist() == ["K1", "K&2"]
    assert tables.children["council_code"].tolist() == [HACKNEY] * 2
    assert tables.assessments["end_date"].isna().all()
    assert tables.assessments["assessment_type"].tolist() == ["single"]
    assert tables.reviews["review_date"].dt.day.tolist() == [20, 14]
    assert tables.plans["number_previous_plans"].tolist() == [2]
    assert tables.section47s.empty
    assert tables.strand == "census"
    assert tables.issues.empty
    # The line of the child, counted in the text above.
    assert tables.referrals["source_row"].tolist() == [10]


def test_prefixes_are_a_namespace_too(tmp_path):
    text = BY_HAND.format(year=2014, sex="", namespace="")
    prefixed = re.sub(r"<(/?)(\w)", r"<\1c:\2", text).replace(
        "<c:Message", "<c:Message xmlns:c='u'"
    )
    (tmp_path / "a.xml").write_text(text.replace("<?c:xml", "<?xml"))
    plain = read_census(tmp_path / "a.xml")
    (tmp_path / "a.xml").write_text(prefixed)
    assert_same(read_census(tmp_path / "a.xml"), plain)


def test_years_and_councils_together(tmp_path):
    # One episode open over two years' ends; the 2014 return closes it.
    history = make_tables(
        "simulated",
        referrals=frame(
            "council_code child_id referral_id referral_date closure_date closure_reason "
            "primary_need referral_source",
            (HACKNEY, "B1", 1, "2012-10-01", "2013-11-29", "RC7", "N1", None),
            (HACKNEY, "B1", 2, "2014-01-08", None, None, "N1", "1A"),
            (GATESHEAD, "B1", 1, "2014-03-31", None, None, "N3", "1A"),
        ),
        assessments=frame(
            "council_code child_id referral_id assessment_type start_date end_date",
            (HACKNEY, "B1", 1, "initial", "2012-10-01", "2012-10-12"),
            (HACKNEY, "B1", 1, "core", "2013-03-04", "2013-04-22"),
        ),
    )
    written = write_census(history, tmp_path, format="xml")
    assert [path.name for path in written] == ["204_2013.xml", "390_2014.xml", "204_2014.xml"]
    read = read_census(tmp_path)
    early = read.referrals.query("census_year == 2013")
    assert early["closure_date"].isna().all()
    assert read.assessments.query("census_year == 2013")["end_date"].isna().sum() == 1
    accepted = validate_census(read).accepted
    parts = comparable(accepted)["referrals"].drop(columns="referral_id")
    expected = comparable(history)["referrals"].drop(columns="referral_id")
    pd.testing.assert_frame_equal(parts, expected)
    assert accepted.assessments["end_date"].notna().all()


def test_a_folder_may_hold_several_returns_and_lack_modules(tmp_path):
    (tmp_path / "Header.csv").write_text(
        "Collection,Year,ReferenceDate,LEA\nCIN,2014,2014-03-31,204\nCIN,2014,,390\n"
    )
    (tmp_path / "ChildIdentifiers.csv").write_text(
        "LEA,Year,LAchildID,Sex\n204,2014,7,F\n390,2014,7,M\n204,2014,8,F\n"
    )
    (tmp_path / "CINdetails.csv").write_text(
        "LEA,Year,LAchildID,CINdetailsID,CINreferralDate,CINclosureDate\n"
        "390,2014,7,1,2013-05-01,\n204,2014,8,1,2013-05-02,\n"
    )
    (tmp_path / "Assessments.csv").write_text(
        "LEA,Year,LAchildID,CINdetailsID,AssessmentActualStartDate,AssessmentAuthorisationDate\n"
        "204,2014,8,1,2013-05-03,\n204,2014,7,1,2013-05-04,\n"
    )
    tables = read_census(tmp_path)
    assert tables.children.set_index("council_code")["sex"].to_dict() == {
        HACKNEY: "female",
        GATESHEAD: "male",
    }
    assert tables.children["child_id"].tolist() == ["7", "8", "7"]
    assert tables.referrals["source_row"].tolist() == [2, 1]
    # The second assessment names a referral that is not there.
    assert tables.assessments["referral_id"].tolist() == [1, -1]
    assert tables.plans.empty
    found = validate_census(tables).issues.query("rule == 'unknown_referral'")
    assert found[["table", "row", "source_row"]].to_numpy().tolist() == [["assessments", 1, 2]]


def test_two_stage_returns_need_a_mapping_of_their_own(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(BY_HAND.format(year=2012, sex="", namespace=""))
    with pytest.raises(DataError, match="field mapping"):
        read_census(path)
    with pytest.raises(DataError, match="invented tags"):
        read_census(path, mapping=EXAMPLE_MAPPING)
    own = tmp_path / "own.toml"
    text = EXAMPLE_MAPPING.read_text().replace("invented = true", "invented = false")
    own.write_text(text)
    body = BY_HAND.format(year=2012, sex="", namespace="")
    body = body.replace("Assessments>", "InventedCoreAssessment>")
    body = body.replace("AssessmentActualStartDate", "InventedCoreStart")
    path.write_text(body)
    with pytest.raises(DataError, match="InventedCoreEnd"):  # a tag of the mapping, never met
        read_census(path, mapping=own)
    path.write_text(body.replace("<AssessmentAuthorisationDate/>", ""))
    assert read_census(path, mapping=own).assessments["assessment_type"].tolist() == ["core"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[modules.core_assessments]", "[modules.core_asessments]", "core_asessments"),
        ("start_date =", "begin_date =", "begin_date"),
        ("years = [2008", "years = ['2008'", "years"),
        ('element = "InventedCoreAssessment"', "", "core_assessments"),
        ("[about]", "[about", "readable TOML"),
    ],
)
def test_a_mapping_with_a_fault_is_refused(tmp_path, old, new, said):
    path = tmp_path / "mapping.toml"
    path.write_text(EXAMPLE_MAPPING.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=said):
        read_mapping(path)


def test_local_extracts_fill_the_clocks_the_census_lacks(tmp_path):
    tables = two_councils()
    strategy, groups = tmp_path / "strategy.csv", tmp_path / "groups.csv"
    # The enquiry starts on 5 November, the conference is on 20 November 2013.
    strategy.write_text(
        "LEA,LAchildID,StrategyDiscussionDate\n204,A&1,2013-11-04\n204,A&1,2013-11-18\n"
        "204,A&1,2013-11-21\n390,A&1,2013-11-05\n204,A&1,2013-02-30\n999,A&1,2013-11-05\n"
    )
    groups.write_text("LEA,LAchildID,CoreGroupDate\n204,A&1,2013-12-04\n204,A&1,2013-11-29\n")
    full = add_local_extracts(tables, strategy_discussions=strategy, core_groups=groups)
    enquiries = full.section47s.set_index("council_code")
    assert enquiries.loc[HACKNEY, "strategy_date"] == pd.Timestamp("2013-11-04")
    assert enquiries.loc[HACKNEY, "last_strategy_date"] == pd.Timestamp("2013-11-18")
    assert pd.isna(enquiries.loc[GATESHEAD, "strategy_date"])
    assert full.conferences["core_group_date"].tolist() == [pd.Timestamp("2013-11-29")]
    found = full.issues[["table", "rule", "source_row"]].to_numpy().tolist()
    assert found == [["strategy", "unparsable_date", 5], ["strategy", "unknown_child", 6]]
    written = write_census(full, tmp_path / "out", format="csv")
    names = [path.name for path in written if path.is_file()]
    assert names == ["strategy_discussions.csv", "core_groups.csv"]


def test_bad_requests_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="format"):
        read_census(tmp_path, format="xlsx")
    with pytest.raises(DataError, match="none"):
        read_census(tmp_path)
    with pytest.raises(DataError, match="exist"):
        read_census(tmp_path / "absent")
    write_census(two_councils("simulated"), tmp_path / "xml", format="xml")
    write_census(two_councils("simulated"), tmp_path / "csv", format="csv")
    with pytest.raises(DataError, match="only return"):
        read_census([tmp_path / "xml", tmp_path / "csv"])
    assert len(read_census(tmp_path, format="csv").referrals) == 4
    (tmp_path / "xml" / "hand.xml").write_text(BY_HAND.format(year=2015, sex="", namespace=""))
    with pytest.raises(DataError, match="one strand"):
        read_census(tmp_path / "xml")


def test_events_of_a_child_listed_twice_belong_to_the_first(tmp_path):
    (tmp_path / "Header.csv").write_text("Collection,Year,LEA\nCIN,2014,204\n")
    (tmp_path / "ChildIdentifiers.csv").write_text("LAchildID,Sex\nA,F\nB,F\nA,M\n")
    (tmp_path / "ChildCharacteristics.csv").write_text("LAchildID,Ethnicity\nB,WBRI\nA,MOTH\n")
    (tmp_path / "CINdetails.csv").write_text(
        "LAchildID,CINdetailsID,CINreferralDate,CINclosureDate\n"
        "A,1,2013-05-01,\nB,1,2013-05-02,\nB,1,2013-06-02,\n"
    )
    (tmp_path / "Section47.csv").write_text(
        "LAchildID,CINdetailsID,S47ActualStartDate,DateOfInitialCPC\nB,1,2013-06-03,\n"
    )
    tables = read_census(tmp_path)
    assert tables.section47s["referral_id"].tolist() == [2]
    assert tables.children["ethnicity"].tolist()[:2] == ["MOTH", "WBRI"]
    assert len(validate_census(tables).accepted.children) == 2


# The order of elements in DfE's schema of the return (2016 to 2022 alike).
IDENTIFIERS = "LAchildID PersonBirthDate ExpectedPersonBirthDate GenderCurrent PersonDeathDate"
DETAILS = (
    "CINreferralDate ReferralSource PrimaryNeedCode CINclosureDate ReasonForClosure "
    "DateOfInitialCPC Assessments CINPlanDates Section47 ReferralNFA ChildProtectionPlans"
)


def test_written_xml_is_in_the_order_of_the_schema(tmp_path):
    write_census(two_councils(), tmp_path, format="xml")
    read = [etree.parse(path).getroot() for path in sorted(tmp_path.glob("*.xml"))]
    for element, order in (("ChildIdentifiers", IDENTIFIERS), ("CINdetails", DETAILS)):
        written = [[part.tag for part in one] for root in read for one in root.iter(element)]
        assert written
        for tags in written:
            assert tags == sorted(tags, key=order.split().index)
    assert any("ChildProtectionPlans" in tags for tags in written)


def _respell(folder, form, change):
    """Change the names of the columns of a written return's referrals."""
    path = folder / f"CINdetails.{form}"
    if form == "csv":
        table = pd.read_csv(path, dtype="str")
        table.rename(columns=change).to_csv(path, index=False)
    else:
        table = pq.read_table(path)
        pq.write_table(table.rename_columns([change(name) for name in table.column_names]), path)


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("spelling", [str.lower, str.upper, lambda name: f" {name}_"])
def test_columns_are_read_however_they_are_spelt(tmp_path, form, spelling):
    folder, *_ = write_census(two_councils(), tmp_path, format=form)
    before = read_census(folder)
    _respell(folder, form, spelling)
    assert_same(before, read_census(folder))


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("wrong", ["CINclosuresDate", "RefferalSource", "cinclosuredat"])
def test_a_near_miss_is_refused_by_name(tmp_path, form, wrong):
    folder, *_ = write_census(two_councils(), tmp_path, format=form)
    meant = "ReferralSource" if "Source" in wrong else "CINclosureDate"
    _respell(folder, form, lambda name: wrong if name == meant else name)
    with pytest.raises(DataError, match=f"`{wrong}`.*`{meant}`"):
        read_census(folder)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_is_not_read_of_a_folder_is_named(tmp_path, form):
    """A column, a file and the assessments that a mapping of one's own does not name."""
    folder, *_ = write_census(two_councils("simulated"), tmp_path, format=form)
    assert not len(read_census(folder).issues)
    _respell(folder, form, lambda name: "Team" if name == "ReferralSource" else name)
    own = tmp_path / "own.toml"
    own.write_text("[returns]\nyears = [2014]\n")
    issues = read_census(folder, mapping=own).issues
    assert set(zip(issues["rule"], issues["field"], strict=True)) == {
        ("absent_column", "ReferralSource"),
        ("unknown_column", "Team"),
        ("unknown_module", "InventedCoreAssessment"),
        ("unknown_module", "InventedInitialAssessment"),
    }


def _point_zero(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(CINdetailsID=table["CINdetailsID"] + ".0")


@pytest.mark.parametrize(
    ("module", "change"),
    [
        ("CINdetails", _point_zero),
        ("Section47", _point_zero),
        ("Header", lambda table: table.assign(LEA="0" + table["LEA"], Year="2013/14")),
        ("Header", lambda table: table.assign(LEA=HACKNEY)),
        ("Assessments", lambda table: table.assign(LEA=table["LEA"] + ".0", Year="2014.0")),
    ],
)
def test_links_and_councils_are_the_same_however_they_are_written(tmp_path, module, change):
    folder = tmp_path / "204_2014"
    write_census(two_councils(), tmp_path, format="csv")
    before = read_census(folder)
    path = folder / f"{module}.csv"
    change(pd.read_csv(path, dtype="str")).to_csv(path, index=False)
    assert_same(before, read_census(folder))


def test_a_folder_of_modules_without_a_header_is_refused(tmp_path):
    write_census(two_councils(), tmp_path, format="csv")
    (tmp_path / "204_2014" / "Header.csv").unlink()
    with pytest.raises(DataError, match=r"204_2014/Header\.csv` must stand by the modules"):
        read_census(tmp_path)
