teacher = dict(
    cfg_path='mmseg::pspnet/pspnet_r101-d8_4xb4-80k_coco-stuff164k-512x512.py'
)
teacher_ckpt = 'https://download.openmmlab.com/mmsegmentation/v0.5/pspnet/pspnet_r101-d8_512x512_4x4_80k_coco-stuff164k/pspnet_r101-d8_512x512_4x4_80k_coco-stuff164k_20210707_152034-7eb41789.pth'
