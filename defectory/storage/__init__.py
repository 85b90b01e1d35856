"""Object storage: interchangeable stores with one behaviour."""
