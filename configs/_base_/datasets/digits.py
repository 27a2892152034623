# How the handwritten digits are read, whatever the task; the data sets make
# their files at the first use. Reading sixteen small images takes a few
# milliseconds: a worker process would only compete with training for the cores.
data_root = 'work_dirs/digits'

train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(split='train', data_root=data_root),
)
val_dataloader = dict(
    batch_size=50,
    num_workers=0,
    persistent_workers=False,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='val', data_root=data_root, test_mode=True),
)
test_dataloader = val_dataloader
