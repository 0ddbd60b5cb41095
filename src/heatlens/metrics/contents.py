"""One formula, one file.  This page is the table of contents, and where a metric is found by its name."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any

from ..words.errors import BadValue, unknown
from ..words.extensions import all_loaded, extensions, loaded
from ..words.listing import by_name, called
from ..words.metric import METRIC_EVIDENCE, Metric, measures
from ..words.signature import needs
from .adcc import adcc as adcc
from .average_drop import average_drop as average_drop
from .average_gain import average_gain as average_gain
from .box_overlap import box_iou as box_iou
from .box_overlap import box_recall as box_recall
from .class_discrimination import class_discrimination as class_discrimination
from .classification_error import top1_classification_error as top1_classification_error
from .classification_error import top5_classification_error as top5_classification_error
from .coherency import coherency as coherency
from .complexity import complexity as complexity
from .deletion import deletion as deletion
from .energy_in_box import energy_in_box as energy_in_box
from .increase_in_confidence import increase_in_confidence as increase_in_confidence
from .infidelity import infidelity as infidelity
from .insertion import insertion as insertion
from .localisation_error import gt_known_localisation_error as gt_known_localisation_error
from .localisation_error import top1_localisation_error as top1_localisation_error
from .localisation_error import top5_localisation_error as top5_localisation_error
from .max_box_acc import max_box_acc as max_box_acc
from .max_box_acc import max_box_acc_v2 as max_box_acc_v2
from .max_sensitivity import max_sensitivity as max_sensitivity
from .mean_iou import mean_iou as mean_iou
from .parameter_randomisation import parameter_randomisation as parameter_randomisation
from .pointing_game import pointing_game as pointing_game
from .px_ap import px_ap as px_ap
from .random_logit import random_logit as random_logit
from .road import road as road
from .road_lerf import road_lerf as road_lerf
from .road_morf import road_morf as road_morf
from .sensitivity_n import sensitivity_n as sensitivity_n

METRICS = by_name(filter(None, map(measures, list(globals().values()))))
"""Every metric that ships, by its name."""


def all_metrics() -> list[Metric]:
    """Every metric, by its name, those that other packages add among them."""
    added = [replace(as_metric(found), name=point.name) for point, found in all_loaded(_added())]
    return sorted([*METRICS.values(), *added], key=lambda metric: metric.name)


def find_metric(name: str | Metric | Callable[..., Any]) -> Metric:
    """The metric of that name, however it is spelt; or any function whose parameters are named like evidence."""
    if isinstance(name, Metric):
        return name
    if callable(name):
        return as_metric(name)
    if not isinstance(name, str):
        raise BadValue(f"the metric {name!r}", "a metric's name or a function")
    if (own := called(name, METRICS)) is not None:
        return METRICS[own]
    added = _added()
    if (own := called(name, added)) is not None:
        return replace(as_metric(loaded(added[own])), name=own)
    raise unknown("metric", name, sorted([*METRICS, *added]), "heatlens metrics")


def as_metric(function: Callable[..., Any]) -> Metric:
    """What `@metric` said of a function, or the function as it is: the higher the better, the mean over the photos."""
    if (declared := measures(function)) is not None:
        return declared
    name = getattr(function, "__name__", type(function).__name__)
    if strange := [word for word in needs(function) if word not in METRIC_EVIDENCE]:
        raise BadValue(f"the metric {name} asks for {', '.join(strange)}", f"some of {', '.join(METRIC_EVIDENCE)}")
    return Metric(name, function)


def _added() -> Mapping[str, EntryPoint]:
    return extensions("heatlens.metrics", METRICS)
