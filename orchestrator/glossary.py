"""The words that a person on the line need not know, each in a clause, once: the report and the terminal show them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word as it is shown, and what it means, which goes on in the same sentence."""

    shown: str
    meaning: str


GLOSSARY: Mapping[str, Word] = {  # of the report, by what a link names, in the alphabet's order
    "accuracy": Word("accuracy", "share of all answers that are right"),
    "ada": Word(
        "ADA (adaptive augmentation), p, r_t",
        "a generator's photographs are moved, turned and recoloured with probability p, which is raised while r_t says "
        "that it has begun to learn them by heart (r_t near 1: it has; near 0: not)",
    ),
    "arm": Word("arm", "one way of training the classifier, which is compared with the others"),
    "auroc": Word(
        "AUROC",
        "how often, of one synthetic and one real image, a small classifier names the right one synthetic: 0.5 by "
        "guessing, 1 if it can always tell",
    ),
    "coverage": Word("coverage", "share of the photographs held out that have a synthetic image like them"),
    "cycle": Word("cycle", "one whole training of an arm, from another random start"),
    "ece": Word(
        "ECE (expected calibration error)",
        "how far the confidence that a classifier claims lies from its accuracy, on average over the images: 0 at best",
    ),
    "epoch": Word("epoch", "a stretch of a training, after which the classifier is measured on validation images"),
    "interval": Word(
        "[from, to]",
        "the 95% interval: what the true figure may be, as far as so few images or trainings can say",
    ),
    "judge": Word("judge", "a classifier that only decides which synthetic images are accepted; it is no arm"),
    "kid": Word(
        "KID (kernel inception distance)",
        "how different a generator's images are from real ones: 0 where nobody could tell",
    ),
    "kimg": Word("kimg", "thousands of images that a generator was shown while it trained"),
    "loss": Word(
        "loss",
        "what training makes smaller: how little the right label was believed, 0 at best (the focal loss, which gives "
        "images that are already right less weight)",
    ),
    "macro-f1": Word(
        "macro-F1",
        "one figure of precision and recall (their harmonic mean), averaged over the labels, so that a rare label "
        "weighs as much as a frequent one: 100% at best",
    ),
    "missed": Word("missed defects, false alarms", "defective images that went through as good; good ones rejected"),
    "operating-point": Word("operating point", "the probability of a defect from which a part is rejected"),
    "p-value": Word("p", "how often chance alone would give such a difference, were there none"),
    "paper": Word(
        "the paper",
        "Giedra & Vdoviak (2024), who trained a classifier on synthetic images of defective cables",
    ),
    "precision": Word("precision", "of the images taken for a label, the share that are of it"),
    "pretrained": Word(
        "pretrained layers",
        "what the classifier brought from other pictures; frozen: they stay as they are, and its last layers learn",
    ),
    "psi": Word(
        "psi (truncation)",
        "how near to the average image a generator keeps: 1 as various as it can be, less is safer and more alike",
    ),
    "recall": Word("recall", "of a label's images, the share that were taken for it"),
    "step": Word("training step", "one batch of images, from which the classifier learns once"),
    "temperature": Word(
        "temperature",
        "the one number by which a classifier's answers are divided to make its confidence right: above 1 it becomes "
        "less sure, below 1 surer",
    ),
}

ON_TERMINALS: Mapping[str, Word] = {  # that only commands show
    "heat": Word("heat", "how much a place of the picture spoke for the label: 100% where most did"),
    "snapshot": Word("snapshot", "a generator as it was at one point of its training"),
}
AS_SAID: Mapping[str, str] = {  # word -> how commands' results write it
    "ada": "augment_p",
    "arm": "arms?",
    "auroc": "AUROC",
    "cycle": "cycles?",
    "ece": "ECE",
    "heat": "heat",
    "judge": "judge",
    "kid": "KID",
    "kimg": "(?:shipped_|transfer_)?kimg",
    "macro-f1": "macro-F1",
    "missed": "missed defects|false alarms",
    "operating-point": "operating[ _]point",
    "psi": "(?:truncation_)?psi",
    "snapshot": "snapshots?",
    "temperature": "temperature",
}
# Words of which settings' and models' names are made: behind a "." they are one.
IN_NAMES = {"ada", "arm", "cycle", "heat", "judge", "kimg", "psi", "snapshot"}
# A word by itself: no part of a name or of a path. Before "(" it is explained where it stands.
_STANDS = {
    name: re.compile(rf"(?<![\w/={'.' * (name in IN_NAMES)}-])(?:{word})(?![\w/=-]|\.\w)(?P<explained> \()?")
    for name, word in AS_SAID.items()
}


def words_in(text: str) -> list[Word]:
    """The words of a command's result that it does not explain itself, in the alphabet's order."""
    words = {**GLOSSARY, **ON_TERMINALS}
    return [words[name] for name, word in _STANDS.items() if _is_left_open(word, text)]


def _is_left_open(word: re.Pattern[str], text: str) -> bool:
    stands = list(word.finditer(text))
    return bool(stands) and not any(match["explained"] for match in stands)
