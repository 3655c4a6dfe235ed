# Thin wrappers of pilot_eval for R, by the package reticulate.
#
#   source("r/pilot_eval.R")
#   pe_use("~/pilot_eval/.venv/bin/python")
#   pe_evaluate(outcomes = "repeat_plan_pct")
#
# Tables come as data frames. They cross between the languages as CSV text, so that no version of
# numpy, pandas or reticulate can change a number. See docs/for-r-users.md.

pe_use <- function(python) {
  Sys.setenv(RETICULATE_PYTHON = path.expand(python))
  invisible(pe_module())
}

pe_module <- function() reticulate::import("pilot_eval", convert = FALSE)

# One comparison per row: twelve columns. `evidence` is what pe_evidence() returns.
pe_evaluate <- function(outcomes = NULL, scenarios = NULL, pilot = NULL, changes = NULL) {
  pe_table(pe_evidence(outcomes, scenarios, pilot, changes)$to_frame())
}

# The evidence itself: pe_table(e$table), e$summary(), e$to_excel("file.xlsx").
pe_evidence <- function(outcomes = NULL, scenarios = NULL, pilot = NULL, changes = NULL) {
  plan <- pe_module()$load_plan(pilot)
  if (!is.null(changes)) plan <- plan$revise(changes)
  pe_module()$evaluate(plan, outcomes = pe_list(outcomes), scenarios = pe_list(scenarios))
}

pe_published <- function() pe_table(pe_module()$load_published())

# Estimators on a data frame with one row for each unit and period.
pe_difference_in_differences <- function(data, ...) pe_estimate("difference_in_differences", data, ...)
pe_event_study <- function(data, ...) pe_estimate("event_study", data, ...)
pe_group_time <- function(data, ...) pe_estimate("group_time", data, ...)
pe_imputation <- function(data, ...) pe_estimate("imputation", data, ...)
pe_synthetic_did <- function(data, ...) pe_estimate("synthetic_did", data, ...)
pe_robust_test <- function(data, ...) pe_estimate("robust_test", data, ...)

pe_estimate <- function(name, data, ..., draws = NULL, seed = NULL) {
  file <- tempfile(fileext = ".csv")
  on.exit(unlink(file))
  utils::write.csv(data, file, row.names = FALSE, na = "", fileEncoding = "UTF-8")
  table <- reticulate::import("pandas", convert = FALSE)$read_csv(file)
  given <- list(...)
  if (!is.null(draws)) given$draws <- as.integer(draws)
  if (!is.null(seed)) given$seed <- as.integer(seed)
  pe_table(do.call(pe_module()[[name]], c(list(table), given))$to_frame())
}

pe_table <- function(frame) {
  text <- reticulate::py_to_r(frame$to_csv(index = FALSE, float_format = "%.17g"))
  utils::read.csv(text = text, stringsAsFactors = FALSE, encoding = "UTF-8")
}

pe_list <- function(names) if (is.null(names)) NULL else as.list(names)
