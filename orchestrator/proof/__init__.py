"""The proof: whether made images help, for whom, and what it is worth, over arms, folds and seeds."""
