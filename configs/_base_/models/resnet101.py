# Makes a ResNet-50 of torchvision's a ResNet-101.
backbone = dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101'))
