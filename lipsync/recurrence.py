"""A GRU layer for training on a CPU: the same numbers as torch.nn.GRU, in far fewer operations.

torch.nn.GRU runs about 30 small operations for each frame there and back, each with a record for
its gradient. Written out by hand, six are left there and four back. What is known before the way
back is worked out for some frames at once, few enough to stay in the processor's cache, and large
tensors are used again: memory that is fresh from the system costs more than the arithmetic in it
(`python benchmarks/train_speed.py`). Processors that multiply bfloat16 work out
the gradients of weights and inputs in it, in half the time. On a GPU cuDNN does better
still; leave it alone.
"""

from __future__ import annotations

import os

import torch
from torch import nn

AHEAD, BLOCK = 10, 20
"""Frames whose inputs are multiplied at once on the way there, and that go back at once."""

HALF = bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())
"""Whether this processor multiplies bfloat16 faster than float32. VISEMILL_FLOAT32=1 forbids
it, for weights that are to be compared with those of a processor that does not."""
if os.environ.get("VISEMILL_FLOAT32"):
    HALF = False

_sigmoid_back = torch.ops.aten.sigmoid_backward.grad_input
_tanh_back = torch.ops.aten.tanh_backward.grad_input


def run_gru(gru: nn.GRU, x: torch.Tensor, state: torch.Tensor | None = None) -> torch.Tensor:
    """Outputs (batch, frames, hidden) of a one-layer GRU.

    x: (batch, frames, inputs). state: (1, batch, hidden) before the first frame; zeros if None.
    Differentiable in x and in the weights of `gru`, once; not in the state.
    """
    out = _Recurrence.apply(
        x.transpose(0, 1).contiguous(),
        state,
        gru.weight_ih_l0,
        gru.weight_hh_l0,
        gru.bias_ih_l0,
        gru.bias_hh_l0,
    )
    return out.transpose(0, 1)


class _Recurrence(torch.autograd.Function):
    """r = σ(x·Wr + h·Ur), z = σ(x·Wz + h·Uz), n = tanh(x·Wn + r·(h·Un)), h' = n + z·(h − n).

    PyTorch's order of the gates (r, z, n); biases on both sides. Time comes first in all tensors.
    """

    @staticmethod
    def forward(ctx, x, state, w, u, wb, ub):
        frames, batch, _ = x.shape
        hidden = u.shape[1]
        two = 2 * hidden
        flat = x.reshape(frames * batch, -1)
        rz, n, un = (_taken(x, frames, batch, width) for width in (two, hidden, hidden))
        h = x.new_empty(frames + 1, batch, hidden)
        h[0] = 0 if state is None else state[0]
        # r and z add up everything; the recurrent part of n is multiplied by r first.
        w_rz, b_rz = w[:two].T, wb[:two] + ub[:two]
        # n holds 2a first: tanh(a) = 2·σ(2a) − 1, and torch's σ is much faster than its tanh.
        w_n, b_xn = 2 * w[two:].T, 2 * wb[two:]
        u_rz, u_n, b_n = u[:two].T.contiguous(), u[two:].T.contiguous(), ub[two:]
        one = torch.ones_like(h[0])
        minus = -one
        for start in range(0, frames, AHEAD):
            block = slice(start, min(frames, start + AHEAD))
            inputs = x[block].view(-1, x.shape[2])
            gates = rz[block], n[block], un[block]
            torch.addmm(b_rz, inputs, w_rz, out=gates[0].view(-1, two))
            torch.addmm(b_xn, inputs, w_n, out=gates[1].view(-1, hidden))
            r, z = gates[0][..., :hidden], gates[0][..., hidden:]
            parts = (*gates, r, z, h[block], h[start + 1 : block.stop + 1])
            steps = zip(*(part.unbind(0) for part in parts), strict=True)
            for rz_t, n_t, un_t, r_t, z_t, before, after in steps:
                rz_t.addmm_(before, u_rz).sigmoid_()
                torch.addmm(b_n, before, u_n, out=un_t)
                n_t.addcmul_(r_t, un_t, value=2).sigmoid_()
                torch.lerp(minus, one, n_t, out=n_t)
                torch.lerp(n_t, before, z_t, out=after)
        ctx.save_for_backward(flat, w, u, h)
        ctx.gates = rz, n, un
        return h[1:]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        flat, w, u, h = ctx.saved_tensors
        gates, ctx.gates = ctx.gates, None
        if gates is None:
            raise RuntimeError("the way back through a GRU can be gone only once")
        frames, batch, hidden = gates[1].shape
        two, three = 2 * hidden, 3 * hidden
        dx = flat.new_empty(frames * batch, w.shape[1]) if ctx.needs_input_grad[0] else None
        dw, du = torch.zeros_like(w), torch.zeros_like(u)
        dwb, dub = w.new_zeros(three), u.new_zeros(three)
        half = HALF and w.dtype == torch.float32
        weights = w.bfloat16() if half else w
        u_nrz = torch.cat([u[two:], u[:two]])
        passed = flat.new_zeros(batch, hidden)
        wide = passed[:, None]  # the same memory, to multiply all four columns at once
        room = _taken(flat, min(BLOCK, frames), batch, 4 * hidden)
        for end in range(frames, 0, -BLOCK):
            block = slice(max(0, end - BLOCK), end)
            rz, n, un = (gate[block] for gate in gates)
            r, z = rz[..., :hidden], rz[..., hidden:]
            # Every gradient of a frame is the gradient of its output times something known already.
            # In four columns: through h·Un, r, z and n. The first three meet h, the last three x.
            columns = room[: len(n)]
            factor = columns.view(len(n), batch, 4, hidden)
            by_un, by_r, by_z, by_n = factor.unbind(2)
            _tanh_back(1 - z, n, grad_input=by_n)
            _sigmoid_back(by_n * un, r, grad_input=by_r)
            _sigmoid_back(h[block] - n, z, grad_input=by_z)
            torch.mul(by_n, r, out=by_un)
            parts = (grad[block], factor, columns[..., :three], z)
            steps = [part.unbind(0) for part in parts]
            for grad_t, factor_t, to_h, z_t in zip(*(reversed(step) for step in steps)):
                passed.add_(grad_t)
                factor_t.mul_(wide)
                passed.mul_(z_t).addmm_(to_h, u_nrz)
            columns = columns.view(-1, 4 * hidden)
            to_h, to_x = columns[:, :three], columns[:, hidden:]
            places = slice(block.start * batch, block.stop * batch)
            dub += to_h.sum(0)
            dwb += to_x.sum(0)
            heard, given = h[block].view(-1, hidden), flat[places]
            if half:
                columns, heard, given = (part.bfloat16() for part in (columns, heard, given))
            du += columns[:, :three].T @ heard
            dw += columns[:, hidden:].T @ given
            if dx is not None:
                dx[places] = columns[:, hidden:] @ weights
        for tensor in (*gates, room):
            _given_back(tensor)
        du, dub = (torch.cat([d[hidden:], d[:hidden]]) for d in (du, dub))
        return dx.view(frames, batch, -1) if dx is not None else None, None, dw, du, dwb, dub


_FREE: dict[tuple[torch.dtype, tuple[int, ...]], list[torch.Tensor]] = {}
"""Tensors that nobody uses, by type and shape."""


def forget() -> None:
    """Gives back the memory that is kept for the next batch; networks of another width need it."""
    _FREE.clear()


def _taken(like: torch.Tensor, *shape: int) -> torch.Tensor:
    """A tensor of any content, an old one if there is one of that shape."""
    free = _FREE.get((like.dtype, shape))
    return free.pop() if free else like.new_empty(shape)


def _given_back(tensor: torch.Tensor) -> None:
    _FREE.setdefault((tensor.dtype, tuple(tensor.shape)), []).append(tensor)
