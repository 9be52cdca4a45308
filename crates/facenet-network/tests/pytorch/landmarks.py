"""landmarks-regression-retail-0009 in PyTorch, operation by operation as in its graph. Writes
landmarks.json beside this script.

Run with Python 3, torch 2.9.1 (the CPU is enough) and numpy 2:

    python landmarks.py landmarks-regression-retail-0009.xml

It follows the edges of the graph and takes the constants from the .bin file beside it; it does not use
our description or name map. Everything is computed in float64, from pixel values 0..255 in the order
blue, green, red to the ten outputs.

Pixel [y, x, c] of face k is that of the 8x8 square it is in: floor(128 (v + 1)) for the value v at
[y / 8, x / 8, c] of the tensor [6, 6, 3] named "face k" of networks.py, whose channels are red, green,
blue.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import torch
import torch.nn.functional as F

from networks import values

FACES = [0, 1, 2, 3]
SQUARES = 6
SQUARE = 8


def numbers(text):
    return [int(number) for number in text.split(",")]


def window(data):
    """Stride and padding."""
    assert data.get("pads_begin") == data.get("pads_end") and numbers(data.get("dilations", "1,1")) == [1, 1]
    return numbers(data["strides"]), numbers(data["pads_begin"])


def run(path, faces):
    """The input of the graph's result, given the output of its parameter."""
    net = ElementTree.parse(path).getroot()
    constants = path.with_suffix(".bin").read_bytes()
    sources = {}
    for edge in net.find("edges"):
        sources.setdefault(edge.get("to-layer"), {})[int(edge.get("to-port"))] = edge.get("from-layer")
    outputs = {}
    for layer in net.find("layers"):
        node = layer.find("data")
        data = {} if node is None else node.attrib
        x = [outputs[source] for _, source in sorted(sources.get(layer.get("id"), {}).items())]
        match layer.get("type"):
            case "Parameter":
                y = faces
            case "Const":
                assert data["element_type"] == "f32"
                first, size = int(data["offset"]), int(data["size"])
                constant = np.frombuffer(constants[first : first + size], dtype="<f4").astype(np.float64)
                y = torch.from_numpy(constant.reshape(numbers(data["shape"])))
            case "Multiply":
                y = x[0] * x[1]
            case "Add":
                y = x[0] + x[1]
            case "Convolution":
                stride, padding = window(data)
                y = F.conv2d(x[0], x[1], None, stride, padding)
            case "GroupConvolution":
                stride, padding = window(data)
                y = F.conv2d(x[0], x[1].flatten(0, 1), None, stride, padding, groups=x[1].shape[0])
            case "PReLU":
                y = torch.where(x[0] < 0, x[1] * x[0], x[0])
            case "MaxPool":
                stride, padding = window(data)
                assert data["rounding_type"] == "floor"
                y = F.max_pool2d(x[0], numbers(data["kernel"]), stride, padding)
            case "Sigmoid":
                y = torch.sigmoid(x[0])
            case "Result":
                return x[0]
            case other:
                raise ValueError(f"operation {other}")
        outputs[layer.get("id")] = y


def draw_levels(k):
    """A face [3, height, width] in the order blue, green, red."""
    squares = torch.floor(128.0 * (values(f"face {k}", [SQUARES, SQUARES, 3]) + 1.0))
    return squares.repeat_interleave(SQUARE, 0).repeat_interleave(SQUARE, 1).flip(2).permute(2, 0, 1)


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    points = run(pathlib.Path(sys.argv[1]), torch.stack([draw_levels(k) for k in FACES])).flatten(1)
    lines = ["[" + ", ".join(f"{number:.16e}" for number in face) + "]" for face in points.tolist()]
    version = json.dumps(torch.__version__.split("+")[0])
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(f'{{"torch": {version}, "faces": {FACES}, "points": [\n' + ",\n".join(lines) + "\n]}\n")


main()
