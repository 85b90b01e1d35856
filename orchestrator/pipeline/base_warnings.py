"""What is said where arms start from other than ImageNet weights: before a run, when it is so, and at the run's end."""

from defectory.weights import KERAS_FILE

FETCH = (
    "where there is a network and Keras (as .venv/bin/python has it), `python -c "
    '"import keras; keras.applications.MobileNetV2(include_top=False)"` leaves '
    f"{KERAS_FILE} in ~/.keras/models; copy that file to this machine, under any name"
)
STARTER_EXPECTED = (
    "ImageNet weights of MobileNetV2 are not on this machine: where Keras cannot download them either, all "
    "classifiers start from the starter classifier, which has seen drawn parts only, and on real "
    f"photographs this usually costs more than anything else that is said here. Mend it first: {FETCH}, and add "
    "--weights FILE to the command (docs/classifier.md says more)"
)
STARTER_WARNING = (
    "there are no ImageNet weights, so all classifiers start from the starter classifier, which has seen drawn parts "
    "only, and on real photographs this usually costs more than anything else. docs/classifier.md "
    "says where they are to be had; --weights FILE names them"
)
RANDOM_WARNING = (
    "there are no ImageNet weights, so all classifiers start from random weights: the comparison stays fair, "
    "but its figures are far from what pretrained weights give. docs/classifier.md says where they are to be had; "
    "--weights FILE names them"
)
NEXT_WEIGHTS = (
    "the ImageNet weights, which on real photographs usually matter more than anything else: "
    f"{FETCH}, and start the same run again with --weights FILE"
)
