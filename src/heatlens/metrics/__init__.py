"""One formula, one file.  This page is the table of contents."""

from .adcc import adcc as adcc
from .average_drop import average_drop as average_drop
from .average_gain import average_gain as average_gain
from .class_discrimination import class_discrimination as class_discrimination
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
