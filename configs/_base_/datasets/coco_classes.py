# For recipes of MMDetection that bring COCO with them; see coco.py.
num_classes = 80
written_for = dict(data_root='data/coco/', num_classes=num_classes)
