"""The only code that touches a running model: every hook, every autograd call, every change of mode."""
