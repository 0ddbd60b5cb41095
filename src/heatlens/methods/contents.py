"""One paper, one file.  This page is the table of contents, and where a method is found by its name."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint

from ..words.errors import BadValue, UnknownName, unknown
from ..words.extensions import extensions, loaded
from ..words.listing import by_name, called
from ..words.signature import EVIDENCE, Entry, Method, declared_by, needs
from ..words.wording import spelling
from .ablation_cam import ablation_cam as ablation_cam
from .attention_rollout import attention_rollout as attention_rollout
from .attn_lrp import attn_lrp as attn_lrp
from .cam import cam as cam
from .cameras import cameras as cameras
from .centre import centre as centre
from .cluster_cam import cluster_cam as cluster_cam
from .composing import find_composition
from .cosine_cam import cosine_cam as cosine_cam
from .deep_feature_factorisation import deep_feature_factorisation as deep_feature_factorisation
from .dummy_cam import dummy_cam as dummy_cam
from .eigen_cam import eigen_cam as eigen_cam
from .eigen_grad_cam import eigen_grad_cam as eigen_grad_cam
from .fake_cam import fake_cam as fake_cam
from .fd_cam import fd_cam as fd_cam
from .fem import fem as fem
from .full_grad import full_grad as full_grad
from .g_score_cam import g_score_cam as g_score_cam
from .generic_attention import generic_attention as generic_attention
from .grad_cam import grad_cam as grad_cam
from .grad_cam_element_wise import grad_cam_element_wise as grad_cam_element_wise
from .grad_cam_pp import grad_cam_pp as grad_cam_pp
from .grad_eclip import grad_eclip as grad_eclip
from .group_cam import group_cam as group_cam
from .guided_backprop import guided_backprop as guided_backprop
from .guided_grad_cam import guided_grad_cam as guided_grad_cam
from .hires_cam import hires_cam as hires_cam
from .integrad_cam import integrad_cam as integrad_cam
from .integrated_grad_cam import integrated_grad_cam as integrated_grad_cam
from .is_cam import is_cam as is_cam
from .kpca_cam import kpca_cam as kpca_cam
from .layer_cam import layer_cam as layer_cam
from .layer_integrated_gradients import layer_integrated_gradients as layer_integrated_gradients
from .legrad import legrad as legrad
from .lift_cam import lift_cam as lift_cam
from .lime import lime as lime
from .occlusion import occlusion as occlusion
from .odam import odam as odam
from .opti_cam import opti_cam as opti_cam
from .poly_cam import poly_cam as poly_cam
from .random_cam import random_cam as random_cam
from .recipro_cam import recipro_cam as recipro_cam
from .relevance_cam import relevance_cam as relevance_cam
from .rise import rise as rise
from .score_cam import score_cam as score_cam
from .seg_eigen_cam import seg_eigen_cam as seg_eigen_cam
from .shapley_cam import shapley_cam as shapley_cam
from .smooth_full_grad import smooth_full_grad as smooth_full_grad
from .smooth_grad_cam_pp import smooth_grad_cam_pp as smooth_grad_cam_pp
from .ss_cam import ss_cam as ss_cam
from .tis import tis as tis
from .transformer_attribution import transformer_attribution as transformer_attribution
from .vit_cx import vit_cx as vit_cx
from .vit_recipro_cam import vit_recipro_cam as vit_recipro_cam
from .xgrad_cam import xgrad_cam as xgrad_cam
from .zoom_cam import zoom_cam as zoom_cam

METHODS = by_name(filter(None, map(declared_by, list(globals().values()))))
"""Every method that ships, by its name."""


def method_names() -> list[str]:
    """The names of all methods, those that other packages add among them."""
    return sorted([*METHODS, *_added()])


def find_method(name: str) -> Entry:
    """The method of that name, however it is spelt, or composed of the parts in "compose:weight=gradient,…"."""
    if spelling(name.partition(":")[0]) == "compose":
        return find_composition(name)
    if (own := called(name, METHODS)) is not None:
        return METHODS[own]
    added = _added()
    if (own := called(name, added)) is not None:
        return replace(as_entry(loaded(added[own])), name=own)
    raise unknown("method", name, method_names(), "heatlens methods")


def as_entry(method: str | Method) -> Entry:
    """A method by name, or any function whose parameters are named like evidence."""
    if isinstance(method, str):
        return find_method(method)
    if not callable(method):
        raise BadValue(f"the method {method!r}", "a method's name or a function")
    if (entry := declared_by(method)) is not None:
        return entry
    name = getattr(method, "__name__", type(method).__name__)
    if strange := [word for word in needs(method) if word not in EVIDENCE]:
        raise UnknownName(f"the method {name} asks for {', '.join(strange)}", f"some of {', '.join(EVIDENCE)}")
    return Entry(name, method)


def _added() -> Mapping[str, EntryPoint]:
    return extensions("heatlens.methods", METHODS)
