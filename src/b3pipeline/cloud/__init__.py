"""A deployment seen from a program: its configuration, its outputs, its AWS clients."""
