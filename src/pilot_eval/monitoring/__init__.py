"""Is it safe: margins, looks at a running trial, funnel plots and control charts."""
