"""Programs of torch.export and TorchScript in files, checked word by word before torch is given them."""
