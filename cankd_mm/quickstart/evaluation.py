"""Evaluates one model: accuracy, size, speed and a few predictions."""

import time
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner


@dataclass(frozen=True)
class Prediction:
    """Boxes on one validation image.

    Shape:
        - image: (H, W, 3), uint8
        - boxes: (N, 4), x1, y1, x2, y2
        - labels, scores: (N,)
        - true_boxes: (M, 4), true_labels: (M,)
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    true_boxes: np.ndarray
    true_labels: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """What is known about one trained model.

    Attributes:
        mAP: COCO's mean average precision, in percent.
        AP50: The same at IoU 0.5.
        parameters: How many the model has.
        ms_per_image: Median over single images, from the decoded image to
            the boxes.
        predictions: On the first validation images.
    """

    mAP: float
    AP50: float
    parameters: int
    ms_per_image: float
    predictions: list[Prediction]

    def summary(self) -> dict:
        """The figures, rounded for the json file."""
        return dict(
            mAP=round(self.mAP, 1),
            AP50=round(self.AP50, 1),
            parameters=self.parameters,
            ms_per_image=round(self.ms_per_image, 2),
        )


def evaluate(
    cfg: Config, checkpoint: str, num_pictures: int = 5
) -> Evaluation:
    """Evaluates a checkpoint with the test set and metric of its config.

    Args:
        cfg: A plain detector's config.
        checkpoint: Its weights.
        num_pictures: How many predictions to keep.
    """
    cfg.load_from = checkpoint
    runner = Runner.from_cfg(cfg)
    metrics = runner.test()
    model = runner.model.eval()
    dataset = runner.test_dataloader.dataset
    return Evaluation(
        # CocoMetric says nothing where no box was found.
        mAP=100 * metrics.get('coco/bbox_mAP', 0.0),
        AP50=100 * metrics.get('coco/bbox_mAP_50', 0.0),
        parameters=sum(p.numel() for p in model.parameters()),
        ms_per_image=time_per_image(model, dataset),
        predictions=[
            _predict(model, dataset[index])
            for index in range(min(num_pictures, len(dataset)))
        ],
    )


@torch.no_grad()
def time_per_image(
    model, dataset, num_images: int = 50, num_warm_up: int = 10
) -> float:
    """Median milliseconds from a decoded image to its boxes, batch size 1.

    Args:
        model: A detector in evaluation mode.
        dataset: Where the images come from; reading them is not timed.
        num_images: How many are timed.
        num_warm_up: How many go before, untimed.
    """
    on_gpu = next(model.parameters()).is_cuda
    times = []
    for index in range(num_warm_up + num_images):
        batch = pseudo_collate([dataset[index % len(dataset)]])
        start = time.perf_counter()
        model.test_step(batch)
        if on_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 1000 * median(times[num_warm_up:])


@torch.no_grad()
def _predict(model, item: dict) -> Prediction:
    image = item['inputs'].permute(1, 2, 0).numpy()
    sample = model.test_step(pseudo_collate([item]))[0]
    found, true = sample.pred_instances.cpu(), sample.gt_instances
    return Prediction(
        image=image,
        boxes=found.bboxes.numpy(),
        labels=found.labels.numpy(),
        scores=found.scores.numpy(),
        true_boxes=true.bboxes.cpu().numpy(),
        true_labels=true.labels.cpu().numpy(),
    )
