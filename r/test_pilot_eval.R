# Run by tests/unit/test_r.py: Rscript r/test_pilot_eval.R PYTHON FOLDER
arguments <- commandArgs(trailingOnly = TRUE)
source(file.path("r", "pilot_eval.R"))
pe_use(arguments[[1]])

found <- pe_evaluate(outcomes = "cpp_rate", scenarios = "announced")
stopifnot(nrow(found) == 1, ncol(found) == 12, found$n_treated == 5)
utils::write.csv(found, file.path(arguments[[2]], "evaluate.csv"), row.names = FALSE)

without <- pe_evaluate("cpp_rate", "announced", changes = list(drop_councils = list("Hackney")))
stopifnot(without$n_treated == 4)

data <- expand.grid(period = 1:4, unit = 1:30)
data$start <- ifelse(data$unit <= 3, 3, NA)
data$rate <- sin(data$unit * 7) + data$period + ifelse(data$unit <= 3 & data$period >= 3, 2, 0)
columns <- list(outcome = "rate", unit = "unit", period = "period", start = "start")
for (name in c("difference_in_differences", "event_study", "group_time", "imputation", "robust_test")) {
  estimate <- get(paste0("pe_", name))
  result <- do.call(estimate, c(list(data), columns, list(draws = 99)))
  stopifnot(abs(result$estimate[[nrow(result)]] - 2) < 1e-8)
}

refused <- tryCatch(pe_evaluate(outcomes = "cp_rate"), error = conditionMessage)
stopifnot(grepl("Did you mean 'cpp_rate'", refused, fixed = TRUE))
cat("passed\n")
