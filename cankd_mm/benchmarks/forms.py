"""The losses, the formulas as printed, and what else there is to compare.

A form as printed computes a loss of this package as its paper writes it, on
the same parameters: equal in value and gradient, and free to be slow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from mmrazor.models.architectures.connectors import MGDConnector
from mmrazor.models.losses import ChannelWiseDivergence, MGDLoss, PKDLoss
from torch import Tensor, nn

from cankd_mm.losses import CanKDLoss, CSKDLoss, LAKDLoss, TaTLoss
from cankd_mm.utils.levels import as_levels
from cankd_mm.utils.progress import training_progress

Shape = tuple[int, int, int, int]


def call(loss: nn.Module, s: Tensor, t: Tensor) -> Tensor:
    """The loss as it is used."""
    return loss(s, t)


def call_compiled(loss: nn.Module, s: Tensor, t: Tensor) -> Tensor:
    """The same under ``torch.compile``, unless operations are counted."""
    if s.device.type != 'meta' and loss._compiled_call_impl is None:
        loss.compile(dynamic=False)
    return loss(s, t)


@dataclass(frozen=True)
class Form:
    """One way to compute a loss. Both functions live at a module's top.

    Attributes:
        build: Makes the loss from the student's and the teacher's shape.
        compute: The value from loss, student's and teacher's feature.
    """

    build: Callable[[Shape, Shape], nn.Module]
    compute: Callable[[nn.Module, Tensor, Tensor], Tensor] = call


# ------------------------------------------------------------ this package


def cankd(student: Shape, teacher: Shape) -> CanKDLoss:
    """A block past its zero start, whose branch has something to say."""
    loss = CanKDLoss(teacher[1])
    nn.init.ones_(loss.levels[0].out_norm.weight)
    return loss


def tat(student: Shape, teacher: Shape) -> TaTLoss:
    """Patches of 8x8 and anchors every 4x4."""
    return TaTLoss(student[1], teacher[1])


def tat_one_to_all(student: Shape, teacher: Shape) -> TaTLoss:
    """Every position attends to every other."""
    return TaTLoss(student[1], teacher[1], patch_size=None, anchor_stride=None)


def lakd(student: Shape, teacher: Shape) -> LAKDLoss:
    """One local module."""
    return LAKDLoss(student[1], teacher[1])


def cskd(student: Shape, teacher: Shape) -> CSKDLoss:
    """The published form, on logits."""
    return CSKDLoss(teacher[1])


# -------------------------------------------------------------- as printed


def cankd_as_printed(
    loss: CanKDLoss,
    s: Tensor | Sequence[Tensor],
    t: Tensor | Sequence[Tensor],
) -> Tensor:
    """With the M x K affinities of student and teacher positions."""
    levels = (as_levels(x, loss.num_levels, 'level') for x in (s, t))
    return loss.loss_weight * sum(
        _error_as_printed(block, s, t.detach())
        for block, s, t in zip(loss.levels, *levels, strict=True)
    )


def _error_as_printed(block: nn.Module, s: Tensor, t: Tensor) -> Tensor:
    query, key, value = block.theta(s), block.phi(t), block.g(t)
    if block.sub_sample:
        key, value = F.max_pool2d(key, 2), F.max_pool2d(value, 2)
    affinity = query.flatten(2).transpose(1, 2) @ key.flatten(2)
    affinity = affinity / affinity.size(-1)
    gathered = affinity @ value.flatten(2).transpose(1, 2)
    branch = block.out_proj(gathered.transpose(1, 2).reshape(query.shape))
    if block.use_norm:
        branch = block.out_norm(branch)
    return F.mse_loss(F.instance_norm(branch + s), F.instance_norm(t))


def tat_as_printed(loss: TaTLoss, s: Tensor, t: Tensor) -> Tensor:
    """With the softmax of all similarities, one level, a patch a group."""
    maps = (*loss.levels[0](s, t), t)
    patch_size, stride = loss.patch_sizes[0], loss.anchor_strides[0]
    if patch_size is None and stride is None:
        return loss.loss_weight * _rearranged(map(_positions, maps))
    value = 0.0
    if patch_size is not None:
        patches = [_patches(x, patch_size) for x in maps]
        value = value + loss.patch_weight * _rearranged(patches)
    if stride is not None:
        anchors = [_positions(F.avg_pool2d(x, stride)) for x in maps]
        value = value + loss.anchor_weight * _rearranged(anchors)
    return loss.loss_weight * value


def _rearranged(tokens) -> Tensor:
    query, key, value, target = tokens
    weights = F.softmax(query @ key.transpose(-2, -1), dim=-1)
    return F.mse_loss(weights @ value, target)


def _positions(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, H W, C)."""
    return x.flatten(2).transpose(1, 2)


def _patches(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) to (B, patches, positions of a patch, C)."""
    columns = F.unfold(x, size, stride=size)
    return columns.unflatten(1, (x.size(1), -1)).permute(0, 3, 2, 1)


def lakd_as_printed(loss: LAKDLoss, s: Tensor, t: Tensor) -> Tensor:
    """Maps of equal shape, one local module."""
    projected = loss.projections[0](s)
    grid = [max(side // 2, 2) for side in t.shape[2:]]
    maps = []
    for feature in (s, t):
        active = feature.abs().sum(1, keepdim=True)
        pooled = loss.avg_weight * F.adaptive_avg_pool2d(active, grid)
        pooled = pooled + loss.max_weight * F.adaptive_max_pool2d(active, grid)
        maps.append(pooled / pooled.norm(dim=(2, 3), keepdim=True))
    attention = (maps[0] - maps[1]).pow(2).sum() / s.size(0)
    features = (projected - t).pow(2).mean()
    return loss.loss_weight * (
        loss.feature_weight * features + loss.attention_weight * attention
    )


def cskd_as_printed(loss: CSKDLoss, s: Tensor, t: Tensor) -> Tensor:
    """Cumulative fusion with a linear schedule and hard targets."""
    alpha = 1 - training_progress()
    s = on_grid_of(s, t)
    fused = alpha * t + (1 - alpha) * t.mean((2, 3), keepdim=True)
    probability = s.softmax(1).gather(1, fused.argmax(1, keepdim=True))
    return -loss.loss_weight * probability.log().mean()


# ----------------------------------------------------------------- others


class MaskedGeneration(nn.Module):
    """MGD: MMRazor's connector and loss."""

    def __init__(self, student: Shape, teacher: Shape) -> None:
        super().__init__()
        self.connector = MGDConnector(student[1], teacher[1])
        self.loss = MGDLoss()

    def forward(self, s: Tensor, t: Tensor) -> Tensor:
        """The loss of what is generated from a masked student."""
        return self.loss(self.connector(s), t)


def cwd(student: Shape, teacher: Shape) -> nn.Module:
    """MMRazor's channel-wise distillation."""
    return ChannelWiseDivergence()


def pkd(student: Shape, teacher: Shape) -> nn.Module:
    """MMRazor's Pearson correlation."""
    return PKDLoss()


def mse(student: Shape, teacher: Shape) -> nn.Module:
    """The plain distance of two maps."""
    return nn.MSELoss()


def on_grid_of(s: Tensor, t: Tensor) -> Tensor:
    """The student's map, averaged to the teacher's grid."""
    if s.shape[2:] == t.shape[2:]:
        return s
    return F.adaptive_avg_pool2d(s, t.shape[2:])


def call_on_one_grid(loss: nn.Module, s: Tensor, t: Tensor) -> Tensor:
    """For losses that take maps of equal size alone."""
    return loss(on_grid_of(s, t), t)


#: Name of a loss to the form that is used and the one that is printed.
OURS = {
    'CanKD': (Form(cankd), Form(cankd, cankd_as_printed)),
    'TaT': (Form(tat), Form(tat, tat_as_printed)),
    'TaT one-to-all': (
        Form(tat_one_to_all),
        Form(tat_one_to_all, tat_as_printed),
    ),
    'LAKD': (Form(lakd), Form(lakd, lakd_as_printed)),
    'CSKD': (Form(cskd), Form(cskd, cskd_as_printed)),
}
OTHERS = {
    'CWD': Form(cwd, call_on_one_grid),
    'PKD': Form(pkd, call_on_one_grid),
    'MGD': Form(MaskedGeneration, call_on_one_grid),
    'MSE': Form(mse, call_on_one_grid),
}
