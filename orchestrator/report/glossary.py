"""The words of the report that a person on the line need not know, each in a clause; the page links to them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word as the page shows it, and what it means, which goes on in the same sentence."""

    shown: str
    meaning: str


GLOSSARY: Mapping[str, Word] = {  # by what a link names, in the alphabet's order
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
