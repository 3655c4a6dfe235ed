"""Make tables of counts safe: suppression, rounding, differencing, dominance."""
