"""What an ONNX file says about itself, and changes to its graph that keep its meaning."""

from ast import literal_eval
from pathlib import Path
from typing import Any

from ....words.errors import BadValue, ModelUnavailable
from ....words.optional import require
from ..archives import check_sizes
from ..building import first_line

Sizes = tuple[int, ...]


def read_graph(path: str | Path) -> Any:
    """The model of a file, functions written out, its one input channels first; `ModelUnavailable`, `BadValue`."""
    onnx = require("onnx")
    file = Path(path).expanduser()
    if not file.is_file():
        raise ModelUnavailable(f"no ONNX file {str(path)!r}", "a .onnx file")
    check_sizes(file)
    try:
        model = onnx.load(str(file))
        model = require("onnx.inliner").inline_local_functions(model) if model.functions else model
    except Exception as error:  # protobuf's own errors have no common base
        raise ModelUnavailable(f"{file.name} cannot be read: {first_line(error)}", "an undamaged ONNX file") from None
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    if len(inputs) != 1 or len(_dims(inputs[0])) < 3:
        said = ", ".join(f"{value.name} {_dims(value)}" for value in inputs)
        raise BadValue(f"{file.name} takes {said or 'no input'}", "one input of images (n, channels, *size)")
    return _channels_first(model)


def input_shape(model: Any) -> tuple[int | None, ...]:
    """(n, channels, *size) of its input; None where any number goes."""
    return _dims(model.graph.input[0])


def metadata(model: Any) -> dict[str, Any]:
    """What the file says beside the graph, numbers and lists as such."""
    found: dict[str, Any] = {}
    for entry in model.metadata_props:
        try:
            found[entry.key] = literal_eval(entry.value)
        except (ValueError, SyntaxError):
            found[entry.key] = entry.value
    return found


def patch_of(model: Any) -> Sizes | None:
    """The stride of the first convolution, where it cuts the image into patches."""
    for node in model.graph.node:
        if node.op_type == "Conv":
            said = {a.name: tuple(a.ints) for a in node.attribute}
            stride = said.get("strides", (1,))
            return stride if stride == said.get("kernel_shape") and min(stride) >= 4 else None
    return None


def before_activation(model: Any) -> str:
    """Make what enters a final softmax or sigmoid the output; which of them it was, or nothing."""
    graph = model.graph
    ends = [n for n in graph.node if n.op_type in ("Softmax", "Sigmoid") and n.output[0] == graph.output[0].name]
    if not ends or any(ends[0].output[0] in node.input for node in graph.node):
        return ""
    graph.output[0].name = ends[0].input[0]
    graph.node.remove(ends[0])
    return str(ends[0].op_type).lower()


def for_any_batch(model: Any) -> Any:
    """A copy in which the number of images is free: in the input, the outputs and constant shapes that begin with it.

    That a shape's first number is the batch is a guess; the caller compares what both say.
    """
    onnx = require("onnx")
    fixed = input_shape(model)[0]
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "n"
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    holders = [tensor for tensor in graph.initializer if tensor.name in shapes]
    holders += [a.t for n in graph.node if n.op_type == "Constant" and n.output[0] in shapes for a in n.attribute]
    for tensor in holders:
        shape = onnx.numpy_helper.to_array(tensor).copy()
        if shape.ndim == 1 and len(shape) and shape[0] == fixed:
            shape[0] = 0 if -1 in shape else -1
            tensor.CopyFrom(onnx.numpy_helper.from_array(shape, tensor.name))
    for node in graph.node:
        for attribute in [a for a in node.attribute if node.op_type == "Reshape" and a.name == "allowzero"]:
            node.attribute.remove(attribute)
    return copy


def _dims(value: Any) -> tuple[int | None, ...]:
    return tuple(d.dim_value if d.dim_value > 0 else None for d in value.type.tensor_type.shape.dim)


def _channels_first(model: Any) -> Any:
    """With a Transpose in front where the file wants channels last."""
    shape = _dims(model.graph.input[0])
    if len(shape) != 4 or shape[1] in (1, 3) or shape[3] not in (1, 3):
        return model
    onnx = require("onnx")
    graph, images = model.graph, model.graph.input[0]
    turned = onnx.helper.make_tensor_value_info(
        f"{images.name}_channels_first", images.type.tensor_type.elem_type, [shape[0], shape[3], shape[1], shape[2]]
    )
    first = onnx.helper.make_node("Transpose", [turned.name], [images.name], "to_channels_last", perm=[0, 2, 3, 1])
    graph.node.insert(0, first)
    del graph.input[:]
    graph.input.append(turned)
    return model
