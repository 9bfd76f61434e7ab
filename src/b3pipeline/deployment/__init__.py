"""What is made and removed: the local AWS, its resources, and what a teardown leaves."""
