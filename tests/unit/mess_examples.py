"""A clean return, and ways to write it with one peculiarity: invented values throughout."""

from __future__ import annotations

import re
from datetime import date

from pilot_eval.records.read import read_census
from pilot_eval.records.schema import frames_of
from pilot_eval.records.validation import validate_census

HEADER = "Collection,Year,ReferenceDate,SourceLevel,LEA,SoftwareCode\nCIN,2014,2014-03-31,L,330,X\n"
CLEAN = {
    "Header": HEADER,
    "ChildIdentifiers": "LAchildID,PersonBirthDate,ExpectedPersonBirthDate,GenderCurrent\n"
    "C1,2005-02-03,,1\nC2,2008-02-03,,2\n",
    "ChildCharacteristics": "LAchildID,Ethnicity\nC1,WBRI\nC2,WBRI\n",
    "Disabilities": "LAchildID,Disability\nC1,NONE\nC2,LD\n",
    "CINdetails": "LAchildID,CINdetailsID,CINreferralDate,ReferralSource,PrimaryNeedCode,"
    "CINclosureDate,ReasonForClosure,ReferralNFA\n"
    "C1,1,2013-05-01,1A,N1,2013-06-03,RC8,0\nC1,2,2013-09-02,1A,N1,,,0\nC2,1,2013-05-01,1A,N1,,,0\n",
    "Assessments": "LAchildID,CINdetailsID,AssessmentActualStartDate,AssessmentAuthorisationDate\n"
    "C1,1,2013-05-01,2013-05-20\nC1,2,2013-09-02,2013-09-30\nC2,1,2013-05-01,2013-05-31\n",
    "Section47": "LAchildID,CINdetailsID,S47ActualStartDate,DateOfInitialCPC,ICPCnotRequired\n"
    "C2,1,2013-06-03,2013-06-10,0\n",
    "ChildProtectionPlans": "LAchildID,CINdetailsID,CPPID,CPPstartDate,CPPendDate,"
    "InitialCategoryOfAbuse,LatestCategoryOfAbuse,NumberOfPreviousCPP\n"
    "C2,1,1,2013-06-10,,NEG,NEG,2\n",
    "Reviews": "LAchildID,CINdetailsID,CPPID,CPPreviewDate\nC2,1,1,2013-09-02\n",
}
XML = """<?xml version="1.0" encoding="utf-8"?>
<Message><Header><CollectionDetails><Collection>CIN</Collection><Year>2014</Year>
<ReferenceDate>2014-03-31</ReferenceDate></CollectionDetails><Source><SourceLevel>L</SourceLevel>
<LEA>330</LEA><SerialNo>1</SerialNo><DateTime>2014-05-23T11:14:05</DateTime></Source></Header>
<Children><Child><ChildIdentifiers><LAchildID>C1</LAchildID>
<PersonBirthDate>2010-01-04</PersonBirthDate><GenderCurrent>1</GenderCurrent></ChildIdentifiers>
<ChildCharacteristics><Ethnicity>WBRI</Ethnicity></ChildCharacteristics>
<CINdetails><CINreferralDate>2013-06-03</CINreferralDate><ReferralSource>1A</ReferralSource>
<PrimaryNeedCode>N1</PrimaryNeedCode><Assessments>
<AssessmentActualStartDate>2013-06-03</AssessmentActualStartDate>
<AssessmentAuthorisationDate>2013-06-20</AssessmentAuthorisationDate></Assessments>
<ReferralNFA>false</ReferralNFA></CINdetails></Child></Children></Message>
"""
DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)")


def write(folder, change=lambda name, text: text, encoding="utf-8", name_of=str):
    """Write the clean return, each module's text changed."""
    folder = folder / "330_2014"
    folder.mkdir(parents=True)
    for name, text in CLEAN.items():
        path = folder / f"{name_of(name)}{'' if '.' in name_of(name) else '.csv'}"
        path.write_bytes(change(name, text).encode(encoding))
    return folder


def each(old, new, only=""):
    return lambda name, text: text.replace(old, new) if only in ("", name) else text


def dates(form):
    """Write every date but the header's in another form."""

    def change(name, text):
        day = lambda found: date.fromisoformat(found[0]).strftime(form)  # noqa: E731
        return text if name == "Header" else DAY.sub(day, text)

    return change


def lines(change):
    """Change every line, given its number."""
    return lambda name, text: "".join(
        change(number, line) + "\n" for number, line in enumerate(text.splitlines())
    )


def serial(found):
    return str((date.fromisoformat(found[0]) - date(1899, 12, 30)).days)


def records(path, **how):
    accepted = validate_census(read_census(path, **how), data_cut=date(2014, 3, 31)).accepted
    origin = ["source_file", "source_row"]
    return {name: frame.drop(columns=origin) for name, frame in frames_of(accepted).items()}
