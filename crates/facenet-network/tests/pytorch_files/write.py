"""The files of tests/suite/pytorch_file.rs, written by PyTorch itself.

Run with Python 3 and torch 2.9.1:

    python write.py

`zip.pt` and `legacy.pt` have the same state dictionary in the two formats of `torch.save`.
`checkpoint.pt` has a smaller one among other values that training scripts save. All values are sums
of few powers of 2, so that every element type represents them exactly. Storage keys of the legacy
format are addresses and differ between runs.
"""

import argparse
import pathlib

import torch

HERE = pathlib.Path(__file__).parent


def ramp(*shape, dtype=torch.float32):
    """0, 0.25, 0.5, ... in the given shape."""
    count = torch.Size(shape).numel()
    return (torch.arange(count, dtype=torch.float64) / 4).reshape(shape).to(dtype)


def network():
    net = torch.nn.Sequential()
    net.add_module("conv", torch.nn.Conv2d(3, 2, (1, 2), bias=False))
    net.add_module("bn", torch.nn.BatchNorm2d(2))
    with torch.no_grad():
        net.conv.weight.copy_(ramp(2, 3, 1, 2) - 1)
        net.bn.weight.copy_(torch.tensor([1.5, -0.5]))
        net.bn.bias.copy_(torch.tensor([0.125, 2.0]))
        net.bn.running_mean.copy_(torch.tensor([-3.0, 0.75]))
        net.bn.running_var.copy_(torch.tensor([4.0, 0.0625]))
        net.bn.num_batches_tracked.fill_(7)
    return net


def state_dictionary():
    # The parameters themselves, not their tensors.
    tensors = network().state_dict(keep_vars=True)
    tensors["half"] = torch.tensor([1.0, -2.5, 2.0**-24, 65504.0, float("inf")], dtype=torch.float16)
    tensors["bfloat16"] = torch.tensor([1.0, -2.5, 2.0**100], dtype=torch.bfloat16)
    tensors["double"] = ramp(3, dtype=torch.float64)
    tensors["transposed"] = ramp(2, 3).t()
    tensors["channels_last"] = ramp(1, 2, 2, 2).to(memory_format=torch.channels_last)
    base = ramp(10)
    tensors["shared.middle"] = base[2:5]
    tensors["shared.even"] = base[::2]
    tensors["expanded"] = torch.tensor([0.5, 3.0])[:, None].expand(2, 3)
    tensors["scalar"] = torch.tensor(-0.75)
    tensors["empty"] = torch.zeros(0, 3)
    tensors["mask"] = torch.tensor([True, False])
    return tensors


def main():
    torch.save(state_dictionary(), HERE / "zip.pt")
    torch.save(state_dictionary(), HERE / "legacy.pt", _use_new_zipfile_serialization=False)
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.ones(2, 3, 1, 2)).sum().backward()
    optimizer.step()
    net.load_state_dict(network().state_dict())
    checkpoint = {
        "epoch": 3,
        "best": 0.5,
        "arguments": argparse.Namespace(layers=[1, 2], name="small", rate=0.1),
        "state_dict": net.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    torch.save(checkpoint, HERE / "checkpoint.pt")


if __name__ == "__main__":
    main()
