"""Looked-after children tables: the columns of each vintage.

The files of 2010-11 on have 151 councils (one is left out), three London regions under one
code, and a last column (`CLA_NetGain`) that is blank-padded and broken in places: regions are
skipped and that column is never read. National figures are rounded to 100, regions to 10.
"""

from __future__ import annotations

from pilot_eval.published.vintages import SYMBOLS_TO_2013, Vintage, percent, rate

_SCILLY = frozenset({"420"})

CLA_2010 = Vintage(
    file="SFR27_2010_March.csv",
    folder="dfe-cla",
    year_ending=2010,
    dfe_reference="SFR27/2010",
    level_column="geog_l",
    code_column="geog_c",
    new_code_column=None,
    national_level="National",
    council_level="LA",
    skipped_levels=frozenset({"GOR"}),
    symbols=SYMBOLS_TO_2013,
    figures=(rate("cla_rate", "MarTotal_2010", None),),
)


def _later(file: str, year_ending: int, reference: str, total: str, inside: str) -> Vintage:
    return Vintage(
        file=file,
        folder="dfe-cla",
        year_ending=year_ending,
        dfe_reference=reference,
        level_column="geog_l",
        code_column="geog_c",
        new_code_column="New_geog_code",
        national_level="NATIONAL",
        council_level="LA",
        skipped_levels=frozenset({"REGION"}),
        symbols=SYMBOLS_TO_2013,
        absent=_SCILLY,
        figures=(
            rate("cla_rate", total, None),
            # Inside plus outside is less than the total at 31 March (place not recorded for some).
            percent("cla_outside_la_pct", "CLA_Outbound", (inside, "CLA_Outbound"), None, None),
        ),
    )


CLA_2011 = _later("SFR21_CLA.csv", 2011, "SFR21/2011", "CLA_Mar2011", "CLAA_InBound")
CLA_2012 = _later("SFR20_CLA2012.csv", 2012, "SFR20/2012", "CLA_Mar2012", "CLAA_InBound")
CLA_2013 = _later("SFR36_CLA2013.csv", 2013, "SFR36/2013", "CLA_Mar2013", "CLA_InBound")
CLA_2014 = _later("SFR36_CLA2014.csv", 2014, "SFR36/2014", "CLA_Mar2014", "CLA_InBound")

CLA_VINTAGES = (CLA_2010, CLA_2011, CLA_2012, CLA_2013, CLA_2014)
# Described by DfE, not needed here: placements started and ended in the year.
CLA_NOT_READ = frozenset(
    {
        "SFR27_2010_Started.csv",
        "SFR27_2010_Ceased.csv",
        "SFE21_ADM.csv",
        "SFR21_CEA.csv",
        "SFR20_ADM2012.csv",
        "SFR_CEA2012.csv",
        "SFR36_ADM2013.csv",
        "SFR36_CEA2013.csv",
        "SFR36_ADM2014.csv",
        "SFR36_CEA2014.csv",
    }
)
