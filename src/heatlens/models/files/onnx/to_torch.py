"""An ONNX graph as a torch module, by onnx2torch, with what its release 1.5.15 does not know added while it converts.

1. An operation whose newest version it does not know is converted as the newest version that it knows.
2. Gelu (opset 20) and LayerNormalization whose input has no inferred shape have converters here.
3. The graph is rewritten where a newer version says the same in another way: constant axes of reductions become their
   attribute again, `allowzero` goes where no size is zero, constants are not passed through Identity.

Whether the module says what the graph says is for the caller to check on numbers.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from torch import nn

from ....words.optional import require

_ONE_AT_A_TIME = Lock()


def converted(model: Any) -> nn.Module:
    """The graph's nodes as modules of the same names; `NotImplementedError` and others where that is not possible."""
    require("onnx2torch")
    converter = require("onnx2torch.converter")
    with _more_converters(converter):
        module: nn.Module = converter.convert(_rewritten(model))
    return module.eval()


@contextmanager
def _more_converters(converter: Any) -> Iterator[None]:
    """While open, onnx2torch finds more converters; nothing is registered with it."""
    with _ONE_AT_A_TIME:
        known = converter.get_converter
        converter.get_converter = _finding(known)
        try:
            yield
        finally:
            converter.get_converter = known


def _finding(known: Callable[..., Any]) -> Callable[..., Any]:
    def find(operation_type: str, version: int, domain: str = "") -> Any:
        if operation_type in _OWN:
            return _OWN[operation_type]
        for older in range(version, 0, -1):
            try:
                return known(operation_type=operation_type, version=older, domain=domain)
            except NotImplementedError:
                continue
        return known(operation_type=operation_type, version=version, domain=domain)

    return find


def _gelu(node: Any, graph: Any) -> Any:
    common = require("onnx2torch.utils.common")
    module = nn.GELU(approximate=node.attributes.get("approximate", "none"))
    return common.OperationConverterResult(module, common.onnx_mapping_from_node(node))


def _layer_norm(node: Any, graph: Any) -> Any:
    """The shape that is normalised is that of the weights; the release reads it off the input's inferred shape."""
    common = require("onnx2torch.utils.common")
    weight, *bias = (graph.initializers[name].to_torch() for name in node.input_values[1:])
    module = nn.LayerNorm(weight.shape, node.attributes.get("epsilon", 1e-5), bias=bool(bias))
    module.load_state_dict({"weight": weight, **({"bias": bias[0]} if bias else {})})
    return common.OperationConverterResult(module, common.OnnxMapping(node.input_values[:1], node.output_values))


_OWN = {"Gelu": _gelu, "LayerNormalization": _layer_norm}


def _rewritten(model: Any) -> Any:
    """A copy of the model that says the same in older words."""
    onnx = require("onnx")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in copy.graph.initializer}
    constants |= {
        n.output[0]: a.t for n in copy.graph.node if n.op_type == "Constant" for a in n.attribute if a.name == "value"
    }
    for node in list(copy.graph.node):
        if node.op_type.startswith("Reduce") and node.op_type != "ReduceSum" and len(node.input) > 1:
            _axes_as_attribute(node, constants)
        if node.op_type == "Reshape":
            _without_allowzero(node, constants)
        if node.op_type == "Identity" and node.input[0] in constants:
            _as_constant(copy.graph, node, constants)
    return copy


def _axes_as_attribute(node: Any, constants: dict[str, Any]) -> None:
    onnx = require("onnx")
    axes = constants.get(node.input[1])
    if axes is None:
        raise NotImplementedError(f"{node.op_type} over axes that are computed")
    node.attribute.append(onnx.helper.make_attribute("axes", onnx.numpy_helper.to_array(axes).tolist()))
    del node.input[1]


def _without_allowzero(node: Any, constants: dict[str, Any]) -> None:
    onnx = require("onnx")
    shape = constants.get(node.input[1])
    if shape is not None and (onnx.numpy_helper.to_array(shape) == 0).any():
        return
    for attribute in [a for a in node.attribute if a.name == "allowzero"]:
        node.attribute.remove(attribute)


def _as_constant(graph: Any, node: Any, constants: dict[str, Any]) -> None:
    """The constant itself under the name that the node gave it."""
    again = graph.initializer.add()
    again.CopyFrom(constants[node.input[0]])
    again.name = node.output[0]
    constants[again.name] = again
    graph.node.remove(node)
