#!/usr/bin/env bash
# SciPy 1.17.1 and statsmodels 0.15.0: an arm whose scores equal the other's has no p-value (nan); Holm's correction then rejects
# it beside others that are significant, and Benjamini–Hochberg's rejects the same others but gives nan for every p.
#
# `ttest_rel` of equal scores is nan, where one would guess 1. `multipletests` takes nan without a word. In Holm's a hypothesis
# is rejected unless it, or one before it, was kept, and nan is never "greater than the bound": so the arm that changed nothing is
# announced as a difference. With `fdr_bh` its own answer is no, but the corrected p-values of all arms are nan.
#
# Defectory gives an arm without any difference p = 1 before it corrects (orchestrator/proof).
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check statsmodels==0.15.0 scipy==1.17.1 numpy==2.2.6
cat > arms.py <<'PY'
import warnings

import numpy as np
from scipy.stats import ttest_rel
from statsmodels.stats.multitest import multipletests

warnings.simplefilter("ignore")
real = np.array([0.71, 0.74, 0.69, 0.73, 0.70])
p = [float(ttest_rel(real, arm).pvalue)
     for arm in (real, real + [0.05, 0.051, 0.049, 0.052, 0.05], real + [0.08, 0.082, 0.079, 0.081, 0.08])]
print("p of an equal arm and of two better ones:", p)
assert np.isnan(p[0]) and max(p[1:]) < 1e-4
for method in ("holm", "fdr_bh"):
    rejected, corrected = multipletests(p, method=method)[:2]
    print(f"{method}: rejected {rejected.tolist()}, corrected {corrected.tolist()}")
    assert rejected.tolist() == [method == "holm", True, True]
    assert np.isnan(corrected).tolist() == [True, method == "fdr_bh", method == "fdr_bh"]
PY
venv/bin/python arms.py
