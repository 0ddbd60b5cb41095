"""ONNX Runtime as the runtime of a shell: a session for each part of the graph that is asked for."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...words.optional import require
from .shell import Part, Values, no_gradients

_KEPT = 8
"""Sessions that stay open."""


class Sessions:
    """An ONNX graph; what is given enters a session, what is wanted leaves it, and only what lies between is run."""

    def __init__(self, model: Any) -> None:
        self._model = model
        constants = {tensor.name for tensor in model.graph.initializer}
        self._input = next(value for value in model.graph.input if value.name not in constants)
        self._outputs = [value.name for value in model.graph.output]
        self._open: dict[Any, Any] = {}
        self.values = {name: node.output[0] for name, node in named_nodes(model)}
        """Layer -> the graph's value that it says."""
        weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
        self.parts = {name: _part(node, weights) for name, node in named_nodes(model)}

    def run(self, images: Tensor, given: Mapping[str, Tensor], wanted: Sequence[str]) -> tuple[Values, list[Tensor]]:
        entering = {self.values[name]: tensor for name, tensor in given.items()}
        leaving = [*(self.values[name] for name in wanted), *self._outputs]
        found = self._computed({**entering, self._input.name: images.to(self.type)}, tuple(dict.fromkeys(leaving)))
        return {name: found[self.values[name]] for name in wanted}, [found[name] for name in self._outputs]

    def crossing(self, layer: str) -> Iterable[str]:
        """Everything that is computed without the layer and used by what is computed with it."""
        behind = {self.values[layer]}
        used: dict[str, None] = {}
        for node in self._model.graph.node:
            if self.values[layer] not in node.output and behind & set(node.input):
                behind |= set(node.output)
                used |= dict.fromkeys(node.input)
        return [name for name, value in self.values.items() if value in used and value not in behind]

    def pulled(self, *asked: Any) -> Sequence[Tensor | None]:
        raise no_gradients("an ONNX Runtime session")

    @cached_property
    def type(self) -> torch.dtype:
        helper = require("onnx.helper")
        numpy = helper.tensor_dtype_to_np_dtype(self._input.type.tensor_type.elem_type)
        return torch.from_numpy(numpy.type(0).reshape(1)).dtype

    def _computed(self, entering: Mapping[str, Tensor], leaving: tuple[str, ...]) -> Values:
        free = {name: entering[name] for name in leaving if name in entering}
        asked = tuple(name for name in leaving if name not in entering)
        if not asked:
            return free
        key = (tuple((name, tensor.dtype) for name, tensor in entering.items()), asked)
        session = self._open.pop(key, None) or self._session(entering, asked)
        self._open[key] = session  # the last used is the last to go
        if len(self._open) > _KEPT:
            del self._open[next(iter(self._open))]
        fed = {i.name: entering[i.name].detach().cpu().contiguous().numpy() for i in session.get_inputs()}
        try:
            arrays = session.run(list(asked), fed)
        except Exception as error:  # its errors have no common base
            raise RuntimeError(str(error).partition("\n")[0]) from error
        return {**free, **{name: torch.from_numpy(array) for name, array in zip(asked, arrays, strict=True)}}

    def _session(self, entering: Mapping[str, Tensor], leaving: Sequence[str]) -> Any:
        onnx, runtime = require("onnx"), require("onnxruntime")
        graph, make = self._model.graph, onnx.helper
        nodes, used = _between(graph, set(entering), set(leaving))
        part = make.make_graph(
            nodes,
            "part",
            [self._entrance(name, tensor) for name, tensor in entering.items() if name in used],
            [make.make_empty_tensor_value_info(name) for name in leaving],
            [tensor for tensor in graph.initializer if tensor.name in used and tensor.name not in entering],
        )
        model = make.make_model(part, opset_imports=self._model.opset_import, ir_version=self._model.ir_version)
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 4
        return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def _entrance(self, name: str, tensor: Tensor) -> Any:
        """Declared as the file declares it, or of the type and rank of what enters."""
        if name == self._input.name:
            return self._input
        make = require("onnx.helper")
        kind = make.np_dtype_to_tensor_dtype(torch.empty(0, dtype=tensor.dtype).numpy().dtype)
        return make.make_tensor_value_info(name, kind, [None] * tensor.ndim)


def _part(node: Any, weights: Mapping[str, tuple[int, ...]]) -> Part:
    dims = next((weights[name] for name in node.input if name in weights), None)
    weighs = dims is not None and node.op_type in ("Conv", "Gemm", "MatMul", "BatchNormalization", "LayerNormalization")
    dense = node.op_type in ("Gemm", "MatMul") or (node.op_type == "Conv" and set((dims or (0, 0, 0))[2:]) == {1})
    return Part(node.op_type, weighs=weighs, pointwise=weighs and dense)


def named_nodes(model: Any) -> list[tuple[str, Any]]:
    """The nodes that say something, under the names that onnx2torch gives them too."""
    seen: dict[str, int] = {}
    found = []
    for node in model.graph.node:
        plain = f"{node.domain}/{node.name.replace('.', '/') or node.op_type}".lstrip("/")
        again = seen.get(plain, 0)
        seen[plain] = again + 1
        if node.op_type != "Constant":
            found.append((f"{plain}_{again}" if again else plain, node))
    return found


def _between(graph: Any, entering: set[str], leaving: set[str]) -> tuple[list[Any], set[str]]:
    """The nodes that lead from what enters to what leaves, in their order, and every value that they use."""
    used, nodes = set(leaving), []
    for node in reversed(graph.node):
        if used & (set(node.output) - entering):
            nodes.append(node)
            used |= set(node.input) | _captured(node)
    return nodes[::-1], used


def _captured(node: Any) -> set[str]:
    """Outer values that the branches of an If or Loop use."""
    graphs = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return {name for graph in graphs for inner in graph.node for name in [*inner.input, *_captured(inner)]}
