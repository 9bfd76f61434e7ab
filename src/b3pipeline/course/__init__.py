"""The course: what the notebooks lean on, their exercises, their runner and their report."""
