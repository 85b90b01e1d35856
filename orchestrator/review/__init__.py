"""The review page: a person looks at a run's synthetic images, or at a dataset's pictures, and decides about them."""
