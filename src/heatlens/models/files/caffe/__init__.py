"""Caffe: a network in a deploy prototxt, its weights in a caffemodel, as a torch module."""

from .load import caffe

__all__ = ["caffe"]
