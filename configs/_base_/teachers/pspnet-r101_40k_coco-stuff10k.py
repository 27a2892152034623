teacher = dict(
    cfg_path='mmseg::pspnet/pspnet_r101-d8_4xb4-40k_coco-stuff10k-512x512.py'
)
teacher_ckpt = 'https://download.openmmlab.com/mmsegmentation/v0.5/pspnet/pspnet_r101-d8_512x512_4x4_40k_coco-stuff10k/pspnet_r101-d8_512x512_4x4_40k_coco-stuff10k_20210821_014022-831aec95.pth'
