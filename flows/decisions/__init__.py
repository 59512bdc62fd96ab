"""What people decide about refused rows and batches that were kept back, carried out as flows."""
