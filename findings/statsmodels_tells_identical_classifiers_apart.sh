#!/usr/bin/env bash
# statsmodels 0.15.0: McNemar's test by chi-square says p = 0 of two classifiers that never disagree.
#
# One would guess p = 1, as the exact test says, or nan. With `exact=False` the continuity correction takes 1 from a difference
# of 0, so the statistic is 1 / 0: infinity, and p is 0, the strongest evidence that there can be. A RuntimeWarning goes by. With
# one disagreement it is p = 1 again. The case is common in comparisons: an arm that changes no decision on a small test set
# is "significantly different".
#
# Defectory counts exactly (orchestrator/proof).
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check statsmodels==0.15.0 scipy==1.17.1 numpy==2.2.6
cat > equal.py <<'PY'
import warnings

from statsmodels.stats.contingency_tables import mcnemar

warnings.simplefilter("ignore")
both_right, both_wrong = 40, 2
for only_first in (0, 1):
    table = [[both_right, only_first], [0, both_wrong]]
    by_chi_square, exact = (float(mcnemar(table, exact=exact).pvalue) for exact in (False, True))
    print(f"{only_first} of 42 decisions differ: p by chi-square {by_chi_square}, exact {exact}")
    assert exact == 1.0
    assert by_chi_square == (1.0 if only_first else 0.0)
PY
venv/bin/python equal.py
