teacher = dict(cfg_path='mmdet::dino/dino-5scale_swin-l_8xb2-36e_coco.py')
teacher_ckpt = 'https://github.com/RistoranteRist/mmlab-weights/releases/download/dino-swinl/dino-5scale_swin-l_8xb2-36e_coco-5486e051.pth'
