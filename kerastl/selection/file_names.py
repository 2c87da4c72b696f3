"""Names of the files that a ranking and a learning curve write; imports nothing."""

RANKING_TABLE = "ranking.csv"
RANKING_CHART = "ranking.svg"
# Written last, so it marks a ranking as finished.
RANKING_FLAGS = "best.flags"
RANKING_FILES = (RANKING_FLAGS, RANKING_CHART, RANKING_TABLE)
CURVE_CHART = "learning_curve.svg"
# Written last, so it marks a learning curve as finished.
CURVE_TABLE = "learning_curve.csv"
CURVE_FILES = (CURVE_TABLE, CURVE_CHART)
