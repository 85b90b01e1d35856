#!/usr/bin/env bash
# torchmetrics 1.9.0: given logits, F1 and AUROC depend on how the test set was cut into batches.
#
# Scores outside [0, 1] are taken for logits and go through a sigmoid, as its manual says. One would guess that this is decided
# once for a metric, or that the AUROC, which only asks for the order, is the same in any case. It is decided at every `update`:
# a batch whose logits happen to lie in [0, 1] is taken for probabilities. Then the same logit is a defect in one batch and none
# in another, and scores of two scales are sorted together. Nothing is said.
#
# Defectory's classifiers give probabilities, and its figures are computed from all scores at once (orchestrator/proof).
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check torchmetrics==1.9.0 numpy==2.2.6
cat > batches.py <<'PY'
import torch
from torchmetrics.classification import BinaryAUROC, BinaryF1Score

logits = torch.tensor([-1.5, -0.4, 0.2, 0.4, 0.9, 0.3])
truth = torch.tensor([0, 0, 1, 0, 1, 1])


def measured(kind, batch):
    metric = kind()
    for start in range(0, len(logits), batch):
        metric.update(logits[start:start + batch], truth[start:start + batch])
    return round(float(metric.compute()), 4)


f1 = {batch: measured(BinaryF1Score, batch) for batch in (6, 3, 1)}
auroc = {batch: measured(BinaryAUROC, batch) for batch in (6, 3, 1)}
print("F1 by batch size:", f1, "AUROC by batch size:", auroc)
assert f1 == {6: 0.8571, 3: 0.8, 1: 0.5}, "the behaviour changed"
assert auroc == {6: 0.7778, 3: 0.7778, 1: 0.5556}, "the behaviour changed"
PY
venv/bin/python batches.py
echo "torchmetrics 1.9.0: as described"
