"""The reliability diagram is well-formed SVG that says what the numbers say."""

from xml.etree import ElementTree

import numpy as np

from services.classifier.acceptance import Answers, calibrate
from services.classifier.reliability import reliability_svg
from tests.unit.classifier.classifier_samples import NONE


def test_every_bin_that_holds_images_has_its_bar() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.6, 0.4], [0.45, 0.55]])
    answers = Answers(np.array([0, 1, 0, 1]), probabilities)
    drawing = ElementTree.fromstring(reliability_svg(answers, calibrate(answers, NONE)))
    titles = [element.text or "" for element in drawing.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == "Reliability on 4 validation images"
    assert titles[1:4] == [
        "1 images, confidence 0.55, accuracy 1.00",
        "1 images, confidence 0.60, accuracy 1.00",
        "2 images, confidence 0.95, accuracy 0.50",
    ]
