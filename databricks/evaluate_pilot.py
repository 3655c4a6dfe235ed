# Databricks notebook source
# MAGIC %md
# MAGIC # Evaluate a pilot on Databricks
# MAGIC Import this file into a workspace. It evaluates the published tables, then children's
# MAGIC records on the cluster's workers. No value of a record is shown: only what passes the
# MAGIC release check.

# COMMAND ----------

# MAGIC %pip install "pilot-eval[spark] @ file:///Volumes/CATALOG/SCHEMA/VOLUME/pilot_eval.whl"

# COMMAND ----------

dbutils.widgets.text("pilot", "", "Pilot folder; empty: the one that comes with the package")
dbutils.widgets.text("outcome", "", "Outcome; empty: all")
dbutils.widgets.text("returns", "", "Folder of returns on a volume; empty: published tables alone")
dbutils.widgets.text("data_cut", "", "Last day that the returns cover, as 2013-03-31")
dbutils.widgets.text("out", "", "New folder on a volume for the results")

# COMMAND ----------

import pilot_eval as pe

plan = pe.load_plan(dbutils.widgets.get("pilot") or None)
evidence = pe.evaluate(plan, outcomes=dbutils.widgets.get("outcome") or None)
display(evidence.to_frame())

# COMMAND ----------

print(evidence.summary())

# COMMAND ----------

# MAGIC %md
# MAGIC ## Children's records, councils on Spark's workers

# COMMAND ----------

from pathlib import Path

from pilot_eval.app.census_command import run_census

if dbutils.widgets.get("returns"):
    run = run_census(
        [Path(dbutils.widgets.get("returns"))],
        data_cut=dbutils.widgets.get("data_cut"),
        out=Path(dbutils.widgets.get("out")),
        plan=plan,
        engine="spark",
    )
    display(run.verdicts)
    print(f"What may be released: {run.released}")
