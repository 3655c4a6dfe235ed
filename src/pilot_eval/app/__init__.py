"""Run the evaluation: parameters checked, notebooks executed, one folder of results written."""
