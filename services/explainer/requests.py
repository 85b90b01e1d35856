"""What the explainer's requests mean."""

from defectory.api.explainer.v1 import explainer_pb2 as pb
from defectory.errors import InvalidInput
from services.explainer.boxes import BoxRule
from services.explainer.choices import DEFAULT_METHOD


def method_of(request: pb.ExplainRequest | pb.ExplainImagesRequest) -> str:
    """The method that a request asks for, by name."""
    return request.method or DEFAULT_METHOD


def rule_of(request: pb.ExplainRequest | pb.ExplainImagesRequest) -> BoxRule:
    """The rule that a request asks for; InvalidInput for one that there is not, or a value out of range."""
    if request.box_rule not in pb.BoxRule.values():
        right = f"use one of {', '.join(pb.BoxRule.keys()[1:])}"
        raise InvalidInput(f"box_rule {request.box_rule}: {right}", {"box_rule": right})
    name = pb.BoxRule.Name(request.box_rule or pb.BOX_RULE_SHARE).removeprefix("BOX_RULE_").lower()
    value = request.box_threshold if request.HasField("box_threshold") else None
    return BoxRule(name, value)  # type: ignore[arg-type]
