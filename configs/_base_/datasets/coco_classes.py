# For recipes of MMDetection that bring COCO with them.
num_classes = 80
