"""A benchmark: plan, drawing, measuring, table, votes, report."""
