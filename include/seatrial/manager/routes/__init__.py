"""Routes by resource. Each route reads its parts from the manager, calls one method, and shapes the answer."""
