"""Maps become pictures: colours, overlays, boxes, grids of pictures with their names."""
