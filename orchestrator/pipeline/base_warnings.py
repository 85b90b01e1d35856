"""What is said where arms start from other than ImageNet weights: before a run, and when it has turned out so."""

STARTER_WARNING = (
    "ImageNet weights of MobileNetV2 are not on this machine: where Keras cannot download them either, all "
    "classifiers start from the starter classifier, which has seen drawn parts only. docs/classifier.md says where "
    "they are to be had; --weights FILE names them"
)
RANDOM_WARNING = (
    "there are no ImageNet weights, so all classifiers start from random weights: the comparison stays fair, "
    "but its figures are far from what pretrained weights give. docs/classifier.md says where they are to be had; "
    "--weights FILE names them"
)
