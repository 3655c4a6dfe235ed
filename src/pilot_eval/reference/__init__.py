"""Facts: councils, exemptions, measurement breaks, events, working days, code sets."""
