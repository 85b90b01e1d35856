#!/usr/bin/env bash
# torchmetrics 1.9.0: in the mean AUROC of several classes, one of which the test set has no image counts as 0; in the mean
# average precision it is left out, and in mean F1, recall and accuracy, too.
#
# A test set of a factory often lacks a kind of defect. One would guess that what cannot be measured is left out (as
# `average="macro"` of the same package's other metrics does), is nan (as scikit-learn has it) or is refused. AUROC warns, and
# then takes 0: a classifier that errs nowhere gets 0.67 of three classes.
#
# Defectory measures the AUROC of good against defective parts, leaves a fold out that lacks one of both, and says of
# every kind how many images the test set has (orchestrator/proof).
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check torchmetrics==1.9.0 numpy==2.2.6
cat > absent.py <<'PY'
import warnings

import torch
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC, MulticlassAveragePrecision, MulticlassF1Score

warnings.simplefilter("ignore")
truth = torch.tensor([0, 0, 1, 1])  # of class 2 there is none
right = torch.eye(3)[truth]
means = {kind.__name__: float(kind(num_classes=3, average="macro")(right, truth))
         for kind in (MulticlassAUROC, MulticlassAveragePrecision, MulticlassF1Score, MulticlassAccuracy)}
print("a classifier that errs nowhere:", means)
print("AUROC class by class:", MulticlassAUROC(num_classes=3, average=None)(right, truth).tolist())
assert abs(means.pop("MulticlassAUROC") - 2 / 3) < 1e-6, "the behaviour changed"
assert set(means.values()) == {1.0}, "the behaviour changed"
PY
venv/bin/python absent.py
echo "torchmetrics 1.9.0: as described"
