"""Networks that paint in one pass: trained for paintings, or for any painting at once."""
