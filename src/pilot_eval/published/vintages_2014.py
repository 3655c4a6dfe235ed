"""Children-in-need tables of 2013-14: old and single assessments side by side."""

from __future__ import annotations

from pilot_eval.published.vintages import (
    SYMBOLS_2014,
    Vintage,
    bands,
    days,
    percent,
    rate,
)

# One council recorded no referral "without further action" and printed 0 three years running.
_HACKNEY_NFA = {"E09000012": frozenset({"referral_nfa_pct"})}

CIN_2014 = Vintage(
    file="SFR43-2014.csv",
    folder="dfe-cin",
    year_ending=2014,
    dfe_reference="SFR43/2014",
    level_column="geog_l",
    code_column="geog_c",
    new_code_column="new_la_code",
    national_level="National",
    council_level="LA",
    skipped_levels=frozenset(),
    symbols=SYMBOLS_2014,
    population_column="Mid2013Pop017",
    false_zeros=_HACKNEY_NFA,
    figures=(
        percent(
            "ia_within_10wd_pct",
            ("IAsStartEndSameDay1314", "IAs1-5days1314", "IAs6-10days1314"),
            "IAs1314",
            None,
            "IAsDuration1314DCI",
        ),
        percent(
            "ca_within_35wd_pct",
            ("CAs0-10days1314", "CAs11-20days1314", "CAs21-30days1314", "CAs31-35days1314"),
            "CAs1314",
            None,
            "CAsDuration1314DCI",
        ),
        percent(
            "icpc_within_15wd_pct",
            ("ICPC0-10days1314", "ICPC11-15days1314"),
            "ICPCin1314",
            None,
            "ICPCDuration1314DCI",
        ),
        percent(
            "rereferral_12m_pct",
            "ReferralsWithin12mths1314",
            "Referrals1314",
            "%ReferralsWithin12mths1314",
            "Rereferrals1314DCI",
        ),
        percent(
            "referral_nfa_pct",
            "ReferralsNFA1314",
            "Referrals1314",
            "%ReferralsNFA1314",
            "Rereferrals1314DCI",
        ),
        percent(
            "repeat_plan_pct",
            "CPPStart1314SecondTime",
            "CPPStart1314",
            "CPPStart1314SecondTime_A",
            "CPPStart1314SecondTimeDCI",
        ),
        percent(
            "plan_ended_2y_pct",
            "CPPCeased1314Duration2+yrs",
            "CPPCeased1314",
            "%CPPCeased1314Duration2+yrs",
            "CPPCeased1314DurationDCI",
        ),
        percent(
            "plan_reviewed_on_time_pct",
            "CPPsReviewedinTimescales",
            "CPPat310314For3mths",
            "%CPPsReviewedinTimescales",
            "CPPReviewedinTimescalesDCI",
        ),
        rate("cin_rate", "CINAt310314", "CINAt310314RatePer10K", "CINAt310314DCI"),
        rate("cpp_rate", "CPPAt310314", "CPPAt310314Rate", "CPPAt310314DCI"),
        rate("s47_rate", "S471314", "S47Rate1314", "S471314DCI"),
        rate("icpc_rate", "ICPCin1314", "ICPCRate1314", "ICPC1314DCI"),
        rate("referral_rate", "Referrals1314", "Referrals1314Rate", "Referrals1314DCI"),
        *bands(
            "IAs1314",
            "IAsDuration1314DCI",
            {
                "ia_band_same_day": "IAsStartEndSameDay1314",
                "ia_band_1_5": "IAs1-5days1314",
                "ia_band_6_10": "IAs6-10days1314",
                "ia_band_11_15": "IAs11-15days1314",
                "ia_band_16_20": "IAs16-20days1314",
                "ia_band_21_plus": "IAs21+days1314",
            },
        ),
        *bands(
            "CAs1314",
            "CAsDuration1314DCI",
            {
                "ca_band_0_10": "CAs0-10days1314",
                "ca_band_11_20": "CAs11-20days1314",
                "ca_band_21_30": "CAs21-30days1314",
                "ca_band_31_35": "CAs31-35days1314",
                "ca_band_36_40": "CAs36-40days1314",
                "ca_band_41_50": "CAs41-50days1314",
                "ca_band_51_60": "CAs51-60days1314",
                "ca_band_61_plus": "CAs61+days1314",
            },
        ),
        *bands(
            "ICPCin1314",
            "ICPCDuration1314DCI",
            {
                "icpc_band_0_10": "ICPC0-10days1314",
                "icpc_band_11_15": "ICPC11-15days1314",
                "icpc_band_16_20": "ICPC16-20days1314",
                "icpc_band_21_plus": "ICPC21+days1314",
            },
        ),
        *days(
            "IAs1314",
            "IAsDuration1314DCI",
            {
                "ia_p25_wd": "IAs25thpercentile1314",
                "ia_median_wd": "IAsMedian1314",
                "ia_p75_wd": "IAs75thpercentile1314",
            },
        ),
        *days(
            "CAs1314",
            "CAsDuration1314DCI",
            {
                "ca_p25_wd": "CAs25thPercentile1314",
                "ca_median_wd": "CAsMedian1314",
                "ca_p75_wd": "CAs75thPercentile1314",
            },
        ),
        *days(
            "ICPCin1314",
            "ICPCDuration1314DCI",
            {
                "icpc_p25_wd": "ICPC25thPercentile1314",
                "icpc_median_wd": "ICPCMedian1314",
                "icpc_p75_wd": "ICPC75thPercentile1314",
            },
        ),
        percent(
            "sa_within_45wd_pct",
            (
                "SAsStartEndSameDay1314",
                "SAs1-10days1314",
                "SAs11-20days1314",
                "SAs21-30days1314",
                "SAs31-40days1314",
                "SAs41-45days1314",
            ),
            "SAs1314",
            None,
            "SAsDuration1314DCI",
        ),
        *bands(
            "SAs1314",
            "SAsDuration1314DCI",
            {
                "sa_band_same_day": "SAsStartEndSameDay1314",
                "sa_band_1_10": "SAs1-10days1314",
                "sa_band_11_20": "SAs11-20days1314",
                "sa_band_21_30": "SAs21-30days1314",
                "sa_band_31_40": "SAs31-40days1314",
                "sa_band_41_45": "SAs41-45days1314",
                "sa_band_46_50": "SAs46-50days1314",
                "sa_band_51_60": "SAs51-60days1314",
                "sa_band_61_plus": "SAs61+days1314",
            },
        ),
        *days(
            "SAs1314",
            "SAsDuration1314DCI",
            {
                "sa_p25_wd": "SAs25thPercentile1314",
                "sa_median_wd": "SAsMedian1314",
                "sa_p75_wd": "SAs75thPercentile1314",
            },
        ),
    ),
)
