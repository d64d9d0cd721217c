"""For those who write adapters: the contract that every adapter keeps, as a pytest plug-in."""
