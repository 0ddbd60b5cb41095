"""How maps are made, as values: a method with settings and layers, fusions of several maps, averages over views."""
