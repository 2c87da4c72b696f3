"""Where pretrained networks come from: each module finds the rows of one source."""
