"""Make tables of counts safe: suppression, rounding, shares and rates."""
