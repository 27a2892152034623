teacher = dict(cfg_path='{{ fileDirname }}/../../digits/teacher_segmentor.py')
teacher_ckpt = '{{ fileDirname }}/../../digits/teacher_segmentor.pth'
# A step of a model this small is short: a cheap teacher shows.
teacher_channels_last = True
dry_run_size = (96, 96)
