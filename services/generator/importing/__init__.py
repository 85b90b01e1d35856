"""Official network pickles of StyleGAN2-ADA (PyTorch) as generators in the store: read without executing anything."""
