"""OpenFace's nn4.small2.v1 up to inception_3b in PyTorch, with the names of its weights. Writes
openface.json beside this script.

Run with Python 3, torch 2.9.1 (the CPU is enough) and numpy 2:

    python openface.py nn4.small2.v1.partial.safetensors

It follows Torch's module (`nn4.small2.def.lua`) line by line and does not use our description or name
map: convolutions have a bias before batch normalization, blocks concatenate the 3x3, 5x5, pooling and
1x1 branch, and smaller outputs of pooling branches are centered in zeros, as by `nn.DepthConcat`.
Everything is computed in float64.

Face k is the tensor named "face k" of networks.py, shifted to [0, 1). For each branch of inception_3b,
as [n, height, width, channels], the file has the summary of networks.py: under "exact" with the
original weights, under "rounded" with running means minus biases rounded to float32, as an import
stores them.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

from networks import draw_faces, record

FACES = [0, 1, 2]
SIDE = 96
# The module's default.
EPSILON = 1e-5


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", name
        first, end = entry["data_offsets"]
        numbers = np.frombuffer(data[start + first : start + end], dtype="<f4").astype(np.float64)
        tensors[name] = torch.from_numpy(numbers.reshape(entry["shape"]))
    return tensors


class OpenFace:
    def __init__(self, tensors, rounded):
        self.tensors = tensors
        self.rounded = rounded

    def product(self, conv, bn, x, stride=1, padding=0):
        """nn.SpatialConvolution, nn.SpatialBatchNormalization, nn.ReLU."""
        weight, bias = [self.tensors[f"{conv}_{part}"] for part in "wb"]
        scale, shift, mean, variance = [self.tensors[f"{bn}_{part}"] for part in "wbmv"]
        if self.rounded:
            mean = (mean - bias).float().double() + bias
        x = F.conv2d(x, weight, bias, stride, padding)
        return F.relu(F.batch_norm(x, mean, variance, scale, shift, training=False, eps=EPSILON))

    def row(self, name, x, pool):
        branches = []
        for kernel in [3, 5]:
            size = f"{kernel}x{kernel}"
            y = self.product(f"{name}_{size}_conv1", f"{name}_{size}_bn1", x)
            branches.append(self.product(f"{name}_{size}_conv2", f"{name}_{size}_bn2", y, padding=kernel // 2))
        branches.append(self.product(f"{name}_pool_conv", f"{name}_pool_bn", pool(x)))
        branches.append(self.product(f"{name}_1x1_conv", f"{name}_1x1_bn", x))
        height, width = [max(branch.shape[axis] for branch in branches) for axis in [2, 3]]
        return [centered(branch, height, width) for branch in branches]

    def until_3b(self, x):
        """The branches of inception_3b."""
        x = self.product("conv1", "bn1", x, stride=2, padding=3)
        x = F.max_pool2d(x, 3, 2, 1)
        x = cross_map_response(x)
        x = self.product("conv2", "bn2", x)
        x = self.product("conv3", "bn3", x, padding=1)
        x = cross_map_response(x)
        x = F.max_pool2d(x, 3, 2, 1)
        x = torch.cat(self.row("inception_3a", x, lambda x: F.max_pool2d(x, 3, 2)), 1)
        return self.row("inception_3b", x, lambda x: (9.0 * F.avg_pool2d(x * x, 3, 3)).sqrt())


def centered(x, height, width):
    """Centers an image in zeros. An odd row or column goes to the bottom or right."""
    rows, columns = height - x.shape[2], width - x.shape[3]
    return F.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])


def cross_map_response(x, size=5, alpha=1e-4, beta=0.75, k=1.0):
    """nn.SpatialCrossMapLRN, with an explicit sum over neighboring channels."""
    channels = x.shape[1]
    squares = F.pad(x * x, [0, 0, 0, 0, size // 2, size // 2])
    sums = sum(squares[:, first : first + channels] for first in range(size))
    return x / (k + alpha / size * sums) ** beta


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    tensors = read_safetensors(sys.argv[1])
    faces = (draw_faces(FACES, SIDE, SIDE) + 1.0) / 2.0
    results = []
    for kind in ["exact", "rounded"]:
        branches = OpenFace(tensors, kind == "rounded").until_3b(faces)
        names = ["branch_3x3", "branch_5x5", "branch_pool", "branch_1x1"]
        lines = [record(name, branch.permute(0, 2, 3, 1)) for name, branch in zip(names, branches, strict=True)]
        results.append(f'"{kind}": [\n' + ",\n".join(lines) + "\n]")
    version = json.dumps(torch.__version__.split("+")[0])
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(f'{{"torch": {version}, "faces": {FACES}, ' + ", ".join(results) + "}\n")


main()
