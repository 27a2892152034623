"""CanKD's block for one level: attention, and the error behind it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cankd_mm.functional.cankd import (
    instance_norm_mse,
    instance_norm_mse_of_moments,
    non_local_dot_product,
)
from cankd_mm.functional.covariances import covariances
from cankd_mm.functional.pooled_projection import pooled_projection
from cankd_mm.functional.residual_error import residual_error
from cankd_mm.utils.levels import parameters_type

# Up to so many elements a map fits the cache, and few calls are what counts.
SMALL_MAP = 2**20
# With so many positions a channel, C x C matrices are cheaper than maps.
POSITIONS_PER_CHANNEL = 8


class CrossNonLocal(nn.Module):
    r"""Non-local block with the student's queries and the teacher's keys.

    .. math::
        z = s + BN\left(W\left(\frac{1}{K} g(t)
        \left(\phi(t)^T \theta(s)\right)\right)\right)

    BN starts at weight and bias 0, so that the block starts as the identity.
    A plain ``nn.Module``: MMEngine's ``init_weights`` leaves it alone.

    Args:
        in_channels: Channels of both feature maps.
        inter_channels: Channels of the embeddings.
        sub_sample: Whether keys and values are max-pooled 2x2. Defaults to
            True.
        use_norm: Whether a BatchNorm ends the branch; without it ``out_proj``
            starts at 0 in its place. Defaults to True.

    Shape:
        - s, t: :math:`(B, C, H, W)`
        - output: :math:`(B, C, H, W)`
    """

    def __init__(
        self,
        in_channels: int,
        inter_channels: int,
        sub_sample: bool = True,
        use_norm: bool = True,
    ) -> None:
        super().__init__()
        self.sub_sample = sub_sample
        self.use_norm = use_norm
        self.theta = nn.Conv2d(in_channels, inter_channels, 1)
        self.phi = nn.Conv2d(in_channels, inter_channels, 1)
        self.g = nn.Conv2d(in_channels, inter_channels, 1)
        self.out_proj = nn.Conv2d(inter_channels, in_channels, 1)
        last = self.out_proj
        if use_norm:
            last = self.out_norm = nn.BatchNorm2d(in_channels)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, s: Tensor, t: Tensor) -> Tensor:
        """Adds to the student's map what it gathers from the teacher's."""
        query, key, value = self.theta(s), self.phi(t), self.g(t)
        if self.sub_sample:
            key, value = F.max_pool2d(key, 2), F.max_pool2d(value, 2)
        gathered = non_local_dot_product(
            query.flatten(2), key.flatten(2), value.flatten(2)
        )
        branch = self.out_proj(gathered.view_as(query))
        if self.use_norm:
            branch = self.out_norm(branch)
        return branch + s

    def error(self, s: Tensor, t: Tensor) -> Tensor:
        """Mean squared error of the output to t, both instance-normalised.

        Equal to the step by step form on any map, whichever way is cheapest:
        from covariances where positions are many, chunk by chunk on other
        large maps.

        Raises:
            TypeError: The maps are of a wider type than the parameters.
        """
        dtype = parameters_type(self.theta.weight, s, t)
        positions, channels = s.shape[2:].numel(), s.size(1)
        if self._is_normed_by_this_batch():
            if positions >= POSITIONS_PER_CHANNEL * channels:
                return self._error_from_covariances(s, t)
            if s.numel() > SMALL_MAP and positions > channels:
                return self._error_by_chunks(s, t)
        s, t = s.to(dtype), t.to(dtype)
        if s.numel() <= SMALL_MAP:
            return F.mse_loss(F.instance_norm(self(s, t)), F.instance_norm(t))
        return instance_norm_mse(self(s, t), t)

    def _is_normed_by_this_batch(self) -> bool:
        """Whether BN is as built: neither frozen nor synced nor replaced."""
        return (
            self.use_norm
            and type(self.out_norm) is nn.BatchNorm2d
            and self.out_norm.training
            and self.out_norm.track_running_stats
            and self.out_norm.momentum is not None
        )

    def _error_from_covariances(self, s: Tensor, t: Tensor) -> Tensor:
        """The output is linear in s, so that of s and t moments suffice."""
        mixing = self._mixing(t)
        theta = self.theta.weight.flatten(1)
        mean, own, cross, t_variance = covariances(
            s.flatten(2), t.flatten(2), theta.dtype
        )
        query_mean = mean @ theta.T + self.theta.bias
        query_own = own @ theta.T  # of s with the query
        branch_mean = (mixing @ query_mean[..., None]).squeeze(2)
        branch_variance = (mixing @ (theta @ query_own) * mixing).sum(2)
        batch_mean = branch_mean.mean(0)
        batch_variance = (
            branch_variance + (branch_mean - batch_mean).square()
        ).mean(0)
        self._track(batch_mean, batch_variance, s)
        gain = (
            self.out_norm.weight / (batch_variance + self.out_norm.eps).sqrt()
        )
        variance = (
            own.diagonal(dim1=1, dim2=2)
            + 2 * gain * (mixing * query_own).sum(2)
            + gain.square() * branch_variance
        )
        covariance = cross.diagonal(dim1=1, dim2=2) + gain * (
            mixing * (cross @ theta.T)
        ).sum(2)
        error = instance_norm_mse_of_moments(variance, covariance, t_variance)
        return error + self._zero()

    def _error_by_chunks(self, s: Tensor, t: Tensor) -> Tensor:
        """The branch is one C x d matrix for each image, of the queries."""
        error, mean, variance = residual_error(
            s.flatten(2),
            t.flatten(2),
            (self.theta.weight.flatten(1), self.theta.bias),
            self._mixing(t),
            self.out_norm.weight,
            self.out_norm.eps,
        )
        self._track(mean, variance, s)
        return error + self._zero()

    def _mixing(self, t: Tensor) -> Tensor:
        """Makes the branch of the queries, but for its offset; (B, C, d)."""
        key, value = self._keys_and_values(t)
        projection = self.out_proj.weight.flatten(1)
        # (W value key^T)^T = key value^T W^T: the projection asks.
        return non_local_dot_product(
            projection.T.expand(len(t), -1, -1), value, key
        ).transpose(1, 2)

    def _keys_and_values(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Both embeddings of the teacher's map in one product, (B, d, K)."""
        weight = torch.cat((self.phi.weight, self.g.weight))
        bias = torch.cat((self.phi.bias, self.g.bias))
        if self.sub_sample and t.numel() > SMALL_MAP:
            embedded = pooled_projection(t, weight.flatten(1))
            # An offset passes the maximum unchanged.
            embedded += bias[:, None, None]
        else:
            embedded = F.conv2d(t.to(weight.dtype), weight, bias)
            if self.sub_sample:
                embedded = F.max_pool2d(embedded, 2)
        return embedded.flatten(2).chunk(2, 1)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, s: Tensor) -> None:
        """Updates BatchNorm's running statistics as its forward would."""
        norm, count = self.out_norm, s.numel() // s.size(1)
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean + self.out_proj.bias, norm.momentum)
        norm.running_var.lerp_(variance * count / (count - 1), norm.momentum)

    def _zero(self) -> Tensor:
        """Offsets that instance norm takes out: gradient 0, not missing."""
        return 0 * (self.out_proj.bias.sum() + self.out_norm.bias.sum())
