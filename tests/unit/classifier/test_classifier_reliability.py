"""The reliability diagram is well-formed SVG that says what the numbers say."""

from xml.etree import ElementTree

import numpy as np

from defectory.lettering import Lettering
from services.classifier.acceptance import Answers, calibrate
from services.classifier.reliability import reliability_svg
from tests.unit.classifier.classifier_samples import NONE

SVG = "{http://www.w3.org/2000/svg}"


def test_every_bin_that_holds_images_has_its_bar() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.6, 0.4], [0.45, 0.55]])
    answers = Answers(np.array([0, 1, 0, 1]), probabilities)
    drawing = ElementTree.fromstring(reliability_svg(answers, calibrate(answers, NONE)))
    titles = [element.text or "" for element in drawing.iter(f"{SVG}title")]
    assert titles[0] == "Reliability on 4 validation images"
    assert titles[1:4] == [  # intervals by Clopper and Pearson, as R's binom.test has them
        "1 image, confidence 0.55, accuracy 1.00 [0.03, 1.00]",
        "1 image, confidence 0.60, accuracy 1.00 [0.03, 1.00]",
        "2 images, confidence 0.95, accuracy 0.50 [0.01, 0.99]",
    ]
    texts = [element.text for element in drawing.iter(f"{SVG}text")]
    assert texts[1:4] == ["1", "1", "2"], "under each bar stands of how many images it is"
    assert texts[-2:] == [
        "measured on the 4 validation images that the temperature was fitted on:",
        "believe the error on the test images",
    ]


def test_no_text_is_wider_than_the_drawing() -> None:
    answers = Answers(np.zeros(1234, int), np.array([[0.95, 0.05]] * 1234))
    drawing = ElementTree.fromstring(reliability_svg(answers, calibrate(answers, NONE)))
    for text in drawing.iter(f"{SVG}text"):
        if text.get("x") and not text.get("text-anchor"):
            size = round(float(text.get("font-size") or drawing.get("font-size") or 0))
            assert float(text.get("x") or 0) + Lettering(size).width(text.text or "") <= float(
                drawing.get("width") or 0
            )
        assert float(text.get("y") or 0) < float(drawing.get("height") or 0)


def test_a_bin_of_few_images_is_pale() -> None:
    probabilities = np.array([[0.95, 0.05]] * 12 + [[0.6, 0.4]] * 2)
    answers = Answers(np.zeros(14, int), probabilities)
    drawing = ElementTree.fromstring(reliability_svg(answers, calibrate(answers, NONE)))
    paleness = [bar.get("fill-opacity") for bar in drawing.iter(f"{SVG}rect") if bar.get("fill-opacity")]
    assert paleness[:2] == ["0.20", "1.00"]
