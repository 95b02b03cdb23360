"""Sample files, fakes and small models that several tests share."""
