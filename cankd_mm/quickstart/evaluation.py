"""Evaluates one model: accuracy, size, speed and a few predictions."""

import time
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.model import BaseModel
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


@dataclass
class Evaluation:
    """What is known about one trained model.

    Attributes:
        mAP: COCO's mean average precision, in percent.
        AP50: The same at IoU 0.5.
        parameters: How many the model has.
        predictions: On the first validation images.
        ms_per_image: Filled in by :func:`time_per_image`.
    """

    mAP: float
    AP50: float
    parameters: int
    predictions: list[Prediction]
    ms_per_image: float = float('nan')

    def summary(self) -> dict:
        """The figures, rounded for the json file."""
        return dict(
            mAP=round(self.mAP, 1),
            AP50=round(self.AP50, 1),
            parameters=self.parameters,
            ms_per_image=round(self.ms_per_image, 2),
        )


def evaluate(runner: Runner, num_pictures: int = 8) -> Evaluation:
    """Evaluates a model with the test set and metric of its config.

    Args:
        runner: Of a plain detector's config, ``load_from`` its weights.
        num_pictures: How many predictions to keep.
    """
    metrics = runner.test()
    model, dataset = runner.model, runner.test_dataloader.dataset
    return Evaluation(
        # CocoMetric says nothing where no box was found.
        mAP=100 * metrics.get('coco/bbox_mAP', 0.0),
        AP50=100 * metrics.get('coco/bbox_mAP_50', 0.0),
        parameters=sum(p.numel() for p in model.parameters()),
        predictions=[
            _predict(model, dataset[index])
            for index in range(min(num_pictures, len(dataset)))
        ],
    )


@torch.no_grad()
def time_per_image(
    models: dict[str, BaseModel],
    dataset: BaseDataset,
    num_images: int = 50,
    num_warm_up: int = 10,
) -> dict[str, float]:
    """Median milliseconds from a decoded image to its boxes, batch size 1.

    The models take turns on every image, so that whatever else the machine
    does slows all of them.

    Args:
        models: Detectors in evaluation mode.
        dataset: Where the images come from; reading them is not timed.
        num_images: How many are timed.
        num_warm_up: How many go before, untimed.
    """
    times = {name: [] for name in models}
    for index in range(num_warm_up + num_images):
        batch = pseudo_collate([dataset[index % len(dataset)]])
        for name, model in models.items():
            start = time.perf_counter()
            model.test_step(batch)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - start)
    return {
        name: 1000 * median(values[num_warm_up:])
        for name, values in times.items()
    }


@torch.no_grad()
def _predict(model: BaseModel, item: dict) -> Prediction:
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
