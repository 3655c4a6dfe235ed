"""Facts: councils, exemptions, measurement breaks, events, working days."""
