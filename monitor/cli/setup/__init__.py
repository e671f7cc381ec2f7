"""``init``: from answers to files on the disk, all of them or none."""
