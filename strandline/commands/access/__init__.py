"""`strandline access` and `decrypt`: which role sees what, and decrypting for who may."""
