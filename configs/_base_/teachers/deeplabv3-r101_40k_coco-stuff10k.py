teacher = dict(
    cfg_path='mmseg::deeplabv3/deeplabv3_r101-d8_4xb4-40k_coco-stuff10k-512x512.py'
)
teacher_ckpt = 'https://download.openmmlab.com/mmsegmentation/v0.5/deeplabv3/deeplabv3_r101-d8_512x512_4x4_40k_coco-stuff10k/deeplabv3_r101-d8_512x512_4x4_40k_coco-stuff10k_20210821_043305-636cb433.pth'
