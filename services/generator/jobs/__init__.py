"""The generator's long-running work, a file a subject: requests to domain calls, domain results to responses.

Operations are stored with the path of their job, `services.generator.jobs:<function>`: it stays while files move.
"""

from services.generator.jobs.evaluation import evaluate_generator, plan_evaluation
from services.generator.jobs.exporting import export_generator, plan_export
from services.generator.jobs.importing import import_generator, plan_import
from services.generator.jobs.messages import describe
from services.generator.jobs.pictures import interpolate, mix_styles, plan_interpolation, plan_mix
from services.generator.jobs.projection import plan_projection, project_image
from services.generator.jobs.synthesis import plan_preview, plan_synthesis, synthesize
from services.generator.jobs.training import plan_training, train_generator

__all__ = [
    "describe", "evaluate_generator", "export_generator", "import_generator", "interpolate", "mix_styles",
    "plan_evaluation", "plan_export", "plan_import", "plan_interpolation", "plan_mix", "plan_preview",
    "plan_projection", "plan_synthesis", "plan_training", "project_image", "synthesize", "train_generator",
]  # fmt: skip
