"""Networks with known service curves, on a tritonserver of their own."""
