"""A GRU layer for training on a CPU: the same numbers as torch.nn.GRU, in far fewer operations.

torch.nn.GRU runs about 30 small operations for each frame there and back, each with a record for
its gradient. Written out by hand, six are left there and four back, and the gradients of the
weights become one product over all frames. On a GPU cuDNN does better still; leave it alone.
"""

from __future__ import annotations

import torch
from torch import nn


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
        # r and z add up everything; the recurrent part of n is multiplied by r first.
        rz = torch.addmm(wb[:two] + ub[:two], flat, w[:two].T).view(frames, batch, two)
        n = torch.addmm(wb[two:], flat, w[two:].T).view(frames, batch, hidden)
        un = torch.empty_like(n)
        h = x.new_zeros(frames + 1, batch, hidden)
        if state is not None:
            h[0] = state[0]
        u_rz, u_n, b_n = u[:two].T.contiguous(), u[two:].T.contiguous(), ub[two:]
        parts = (rz, rz[..., :hidden], rz[..., hidden:], n, un, h[:-1], h[1:])
        for rz_t, r_t, z_t, n_t, un_t, before, after in zip(*(part.unbind(0) for part in parts)):
            rz_t.addmm_(before, u_rz).sigmoid_()
            torch.addmm(b_n, before, u_n, out=un_t)
            n_t.addcmul_(r_t, un_t).tanh_()
            torch.lerp(n_t, before, z_t, out=after)
        ctx.save_for_backward(flat, w, u, rz, n, un, h)
        return h[1:]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        flat, w, u, rz, n, un, h = ctx.saved_tensors
        frames, batch, hidden = n.shape
        r, z = rz[..., :hidden], rz[..., hidden:]
        # Every gradient of a frame is the gradient of its output times something known already.
        # In four columns: through h·Un, r, z and n. The first three meet h, the last three x.
        factor = n.new_empty(frames, batch, 4, hidden)
        torch.mul(1 - z, 1 - n * n, out=factor[:, :, 3])
        torch.mul(factor[:, :, 3], r, out=factor[:, :, 0])
        torch.mul(factor[:, :, 0] * (1 - r), un, out=factor[:, :, 1])
        torch.mul((h[:-1] - n) * z, 1 - z, out=factor[:, :, 2])
        u_nrz = torch.cat([u[2 * hidden :], u[: 2 * hidden]])
        columns = factor.view(frames, batch, 4 * hidden)
        passed = n.new_zeros(batch, hidden)
        wide = passed[:, None]  # the same memory, to multiply all four columns at once
        parts = (grad, factor, columns[..., : 3 * hidden], z)
        steps = [part.unbind(0) for part in parts]
        for grad_t, factor_t, to_h, z_t in zip(*(reversed(step) for step in steps)):
            passed.add_(grad_t)
            factor_t.mul_(wide)
            passed.mul_(z_t).addmm_(to_h, u_nrz)
        columns = columns.view(frames * batch, 4 * hidden)
        to_h, to_x = columns[:, : 3 * hidden], columns[:, hidden:]
        du = to_h.T @ h[:-1].reshape(frames * batch, hidden)
        dub = to_h.sum(0)
        du, dub = (torch.cat([d[hidden:], d[:hidden]]) for d in (du, dub))
        dx = (to_x @ w).view(frames, batch, -1) if ctx.needs_input_grad[0] else None
        return dx, None, to_x.T @ flat, du, to_x.sum(0), dub
