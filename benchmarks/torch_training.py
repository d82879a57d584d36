"""The training of `whole_training.py` in PyTorch: same network, batch, augmentation.

Batches are augmented as a whole, as ours are, and mixed after they are; PyTorch's usual
image by image pipeline would be slower. "channels last" lets tensors lie as ours do,
"compiled" is `torch.compile` of the network, bfloat16 is that of `torch.autocast`.
"""

BLOCKS, STAGES, CLASSES = 2, 4, 10
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def network(width):
    """PreAct ResNet-18 whose identity shortcut carries the block's input."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.first, self.second = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
            self.up = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.on = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            changes = stride > 1 or inputs != outputs
            self.project = (
                nn.Conv2d(inputs, outputs, 1, stride, bias=False) if changes else None
            )

        def forward(self, x):
            active = self.first(x).relu()
            kept = x if self.project is None else self.project(active)
            return self.on(self.second(self.up(active)).relu()) + kept

    layers, channels = [nn.Conv2d(3, width, 3, 1, 1, bias=False)], width
    for stage in range(STAGES):
        for index in range(BLOCKS):
            stride = 2 if stage and not index else 1
            layers.append(Block(channels, width * 2**stage, stride))
            channels = width * 2**stage
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]
    return nn.Sequential(*layers)


def loop(width, batch_size, count, how, bfloat16):
    """Function of `turns.repeat`: steps of training, input included.

    `how` has some of "channels last" and "compiled".
    """
    import torch
    from torch import nn

    torch.manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (count,))
    last = "channels last" in how
    layout = torch.channels_last if last else torch.contiguous_format
    model = network(width).to(memory_format=layout)
    if "compiled" in how:
        model = torch.compile(model)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4
    )
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    loss_of = nn.functional.cross_entropy
    beta = torch.distributions.Beta(1.0, 1.0)

    def batches():
        while True:
            order = torch.randperm(count)
            for start in range(0, count - batch_size + 1, batch_size):
                index = order[start : start + batch_size]
                yield augmented(images[index]), labels[index]

    def augmented(batch):
        batch = nn.functional.pad(batch, (4, 4, 4, 4))
        rows = torch.randint(0, 9, (batch_size, 1)) + torch.arange(32)
        columns = torch.randint(0, 9, (batch_size, 1)) + torch.arange(32)
        flipped = torch.rand(batch_size, 1) < 0.5
        columns = torch.where(flipped, columns.flip(1), columns)
        example = torch.arange(batch_size)[:, None, None]
        batch = batch.permute(0, 2, 3, 1)[
            example, rows[:, :, None], columns[:, None, :]
        ].permute(0, 3, 1, 2)
        batch = (batch.float() / 255 - mean) / std
        return batch.contiguous(memory_format=layout)

    stream = batches()

    def iterate(steps):
        for _ in range(steps):
            x, y = next(stream)
            lam, order = beta.sample(), torch.randperm(batch_size)
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                logits = model(lam * x + (1 - lam) * x[order])
                loss = lam * loss_of(logits, y) + (1 - lam) * loss_of(logits, y[order])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        loss.item()
        return steps

    return iterate
