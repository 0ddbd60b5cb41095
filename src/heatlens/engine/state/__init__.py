"""The model as it is found and given back: its modes, its modules' answers, interrupts."""
