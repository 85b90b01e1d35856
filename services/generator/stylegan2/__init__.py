"""StyleGAN2 with adaptive augmentation, written from the papers: tensors in, tensors out; no store, no service."""
