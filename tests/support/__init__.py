"""What several tests share: sample files, fakes, small models."""
